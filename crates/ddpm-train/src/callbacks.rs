//! Callbacks of a training run.

use crate::metrics::Metrics;
use crate::validation::Validation;
use std::path::Path;
use tch::Tensor;

/// Callbacks of a training run. Every method has an empty default.
pub trait TrainingCallbacks {
    /// Training starts at step `from` (0 for a new run) and ends at `to`.
    fn started(&mut self, from: u64, to: u64) {
        let _ = (from, to);
    }

    /// `steps` steps are done; the loss is that of the last one.
    fn stepped(&mut self, steps: u64, loss: f64) {
        let _ = (steps, loss);
    }

    /// A line of metrics was written.
    fn logged(&mut self, metrics: &Metrics) {
        let _ = metrics;
    }

    /// A checkpoint was written.
    fn saved(&mut self, steps: u64, checkpoint: &Path) {
        let _ = (steps, checkpoint);
    }

    /// Evaluates the model after a step at which that is due: `average` holds the weights that would be published, in the order of the
    /// model's parameters. The training does not depend on what happens here.
    fn evaluate(
        &mut self,
        request: EvaluationRequest,
        steps: u64,
        average: &[Tensor],
    ) -> Result<EvaluationResult, Box<dyn std::error::Error + Send + Sync>> {
        let _ = (request, steps, average);
        Ok(EvaluationResult::default())
    }

    /// Asked after every step: whether to write a checkpoint and stop.
    fn stop_requested(&self) -> bool {
        false
    }
}

/// The evaluations to make after a step, by `train.sample_every`, `train.validate_every` and `train.evaluate_every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvaluationRequest {
    /// A picture of samples.
    pub samples: bool,
    /// The loss on held-out images.
    pub validation: bool,
    /// The distance between samples and real images.
    pub distance: bool,
}

impl EvaluationRequest {
    /// Whether there is anything to evaluate.
    pub fn any(self) -> bool {
        self.samples || self.validation || self.distance
    }
}

/// The result of an evaluation.
#[derive(Clone, Debug, Default)]
pub struct EvaluationResult {
    /// Samples.
    pub picture: Option<Picture>,
    /// The loss on held-out images.
    pub validation: Option<Validation>,
    /// The distance between samples and real images: the checkpoint of the smallest is kept as `checkpoints/best`.
    pub distance: Option<f64>,
}

/// An encoded picture.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Columns of pixels.
    pub width: u32,
    /// Rows of pixels.
    pub height: u32,
    /// 1 grey, 3 RGB.
    pub channels: u32,
    /// The bytes of the PNG file.
    pub png: Vec<u8>,
}
