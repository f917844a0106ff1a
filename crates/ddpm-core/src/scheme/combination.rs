//! Linear combinations of the state, the evaluations and the noise, and the steps made of them.

use crate::{Level, LogVarianceRange};

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
    /// The noise level at which the denoiser is asked.
    pub level: Level,
    /// What it is asked about.
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
    /// network's output picks from this range.
    pub learned_range: Option<LogVarianceRange>,
}

impl Combination {
    /// The state itself.
    pub(crate) fn state() -> Self {
        Combination { of_x: 1.0, ..Self::default() }
    }

    /// `of_x x + of_x0 D` of the newest evaluation.
    pub(crate) fn of(of_x: f64, of_x0: f64) -> Self {
        Combination { of_x, of_x0: vec![of_x0], of_noise: Vec::new() }
    }

    /// The same with `weight` times draw `index` added.
    pub(crate) fn with_noise(mut self, index: usize, weight: f64) -> Self {
        if weight != 0.0 {
            self.of_noise.resize(self.of_noise.len().max(index + 1), 0.0);
            self.of_noise[index] += weight;
        }
        self
    }

    /// `self * factor`.
    pub(crate) fn scaled(mut self, factor: f64) -> Self {
        self.of_x *= factor;
        self.of_x0.iter_mut().chain(&mut self.of_noise).for_each(|weight| *weight *= factor);
        self
    }

    /// `self + factor * other`, both counting evaluations from the same newest one.
    pub(crate) fn plus(mut self, factor: f64, other: &Combination) -> Self {
        self.of_x += factor * other.of_x;
        add_scaled(&mut self.of_x0, factor, &other.of_x0);
        add_scaled(&mut self.of_noise, factor, &other.of_noise);
        self
    }

    /// The same combination after `count` more evaluations were made.
    pub(crate) fn aged(mut self, count: usize) -> Self {
        self.of_x0.splice(0..0, std::iter::repeat_n(0.0, count));
        self
    }

    /// `self + factor * score`, where the score is that of the newest evaluation, made at `level` about `state` (which is aged already).
    pub(crate) fn plus_score(self, factor: f64, level: &Level, state: &Combination) -> Self {
        let variance = level.sigma() * level.sigma();
        self.plus(-factor / variance, state)
            .plus(factor * level.alpha() / variance, &Combination::of(0.0, 1.0))
    }

    /// The value of the combination for one component.
    pub fn apply(&self, x: f64, newest_first: &[f64], noise: &[f64]) -> f64 {
        let dot =
            |weights: &[f64], values: &[f64]| -> f64 { weights.iter().zip(values).map(|(w, v)| w * v).sum() };
        self.of_x * x + dot(&self.of_x0, newest_first) + dot(&self.of_noise, noise)
    }
}

fn add_scaled(to: &mut Vec<f64>, factor: f64, from: &[f64]) {
    to.resize(to.len().max(from.len()), 0.0);
    for (a, b) in to.iter_mut().zip(from) {
        *a += factor * b;
    }
}

impl Step {
    /// A step that evaluates once, at its beginning.
    pub(crate) fn single(from: &Level, to: &Level, output: Combination) -> Self {
        let stages = vec![Stage { level: *from, state: Combination::state() }];
        Step { from: *from, to: *to, stages, output, error: None, learned_range: None }
    }

    /// The decoder's step to data: the denoiser's answer itself.
    pub(crate) fn decode(from: &Level) -> Self {
        Self::single(from, &Level::CLEAN, Combination::of(0.0, 1.0))
    }

    /// Number of standard normal draws that the step uses.
    pub fn draws(&self) -> usize {
        let stages = self.stages.iter().map(|stage| stage.state.of_noise.len());
        stages.chain([self.output.of_noise.len()]).max().unwrap_or(0)
    }

    /// Number of evaluations of the denoiser.
    pub fn evaluations(&self) -> usize {
        self.stages.len()
    }

    /// How many evaluations, this step's included, the output and the stages look back on.
    pub fn memory(&self) -> usize {
        let before =
            |stage: usize, combination: &Combination| combination.of_x0.len() + (self.stages.len() - stage);
        let stages = self.stages.iter().enumerate().map(|(j, stage)| before(j, &stage.state));
        stages.chain([before(self.stages.len(), &self.output)]).max().unwrap_or(0)
    }
}
