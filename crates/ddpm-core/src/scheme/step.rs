//! A sampler's step as a table of numbers, which the tensor samplers apply to images and the exact recursion to moments.

use crate::{LearnedLogVariance, Level};

/// `of_x x_t + sum_i of_x0[i] D_i + sum_k of_noise[k] z_k`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Combination {
    /// Weight of the state at the beginning of the step.
    pub of_x: f64,
    /// Weights of the evaluations (predictions of x_0), the newest first, reaching back into earlier steps where the method has a memory.
    /// A list may be shorter than the number of evaluations made: the rest have weight 0.
    pub of_x0: Vec<f64>,
    /// Weights of this step's standard normal draws, in the order in which they are drawn.
    pub of_noise: Vec<f64>,
}

/// One evaluation of the denoiser inside a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The noise level of the evaluation.
    pub level: Level,
    /// The state that the denoiser is given.
    pub state: Combination,
}

/// A step of a sampler from `from` to `to`.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The level of the state at the beginning.
    pub from: Level,
    /// The level of the state at the end.
    pub to: Level,
    /// Evaluations, in order. Each may use the ones before it.
    pub stages: Vec<Stage>,
    /// The state at the end; its `of_x0` counts this step's evaluations first.
    pub output: Combination,
    /// For an adaptive method: the estimated local error as a combination of the same things.
    pub error: Option<Combination>,
    /// For a learned variance: the one draw of this step has weight 1 in `output` and is to be scaled by the standard deviation that the
    /// network's output stands for.
    pub learned_variance: Option<LearnedLogVariance>,
    /// Weight in `output` of what thresholding takes from the last evaluation: the predicted x_0 before it less the one after it. All other
    /// weights are of predictions after it.
    pub of_excess: f64,
}

impl Combination {
    /// The value of the combination for one component.
    pub fn apply(&self, x: f64, newest_first: &[f64], noise: &[f64]) -> f64 {
        let dot =
            |weights: &[f64], values: &[f64]| -> f64 { weights.iter().zip(values).map(|(w, v)| w * v).sum() };
        self.of_x * x + dot(&self.of_x0, newest_first) + dot(&self.of_noise, noise)
    }
}

impl Step {
    /// Number of standard normal draws that the step uses.
    pub fn draws(&self) -> usize {
        let stages = self.stages.iter().map(|stage| stage.state.of_noise.len());
        stages.chain([self.output.of_noise.len()]).max().unwrap_or(0)
    }

    /// Number of evaluations of the denoiser.
    pub fn evaluations(&self) -> usize {
        self.stages.len()
    }

    /// How many evaluations, this step's included, the output and the stages use.
    pub fn memory(&self) -> usize {
        let before =
            |stage: usize, combination: &Combination| combination.of_x0.len() + (self.stages.len() - stage);
        let stages = self.stages.iter().enumerate().map(|(j, stage)| before(j, &stage.state));
        stages.chain([before(self.stages.len(), &self.output)]).max().unwrap_or(0)
    }
}
