//! The interface between the trainer and a model: weights, loss, checkpoint.

use crate::{TrainError, WorstSample};
use ddpm_data::Shard;
use ddpm_nets::Parameters;
use std::path::Path;
use tch::Tensor;
use torch_ext::dist::Workers;

/// A model together with its data and its objective.
///
/// All randomness of [`Trainable::loss`] is a function of the step and of global sample indices, so that a resumed run is exact.
pub trait Trainable {
    /// The weights, in an order that never changes.
    fn parameters(&self) -> &Parameters;

    /// The mean loss of a process's samples of step `step` (0-based): a scalar whose gradient reaches the weights.
    fn loss(&self, step: u64, shard: &Shard) -> Result<Tensor, TrainError>;

    /// The sample of a step with the largest loss, for the message when the step fails; none if the model cannot tell.
    fn worst_sample(&self, step: u64, shard: &Shard) -> Result<Option<WorstSample>, TrainError> {
        let _ = (step, shard);
        Ok(None)
    }

    /// Seconds that the losses so far have waited for their samples.
    fn waited_seconds(&self) -> f64 {
        0.0
    }

    /// Called after every step, skipped ones included, to update what a loss keeps from step to step: the same in all processes.
    fn stepped(&mut self, workers: &Workers) -> Result<(), TrainError> {
        let _ = workers;
        Ok(())
    }

    /// Writes what a loss keeps from step to step into a checkpoint's `state/`.
    fn save_state(&self, state: &Path) -> Result<(), TrainError> {
        let _ = state;
        Ok(())
    }

    /// Restores it.
    fn load_state(&mut self, state: &Path) -> Result<(), TrainError> {
        let _ = state;
        Ok(())
    }

    /// Writes the model with `weights` (in the order of [`Trainable::parameters`]) as a pipeline directory into `dir`, which exists.
    fn publish(&self, dir: &Path, weights: &[Tensor]) -> Result<(), TrainError>;
}
