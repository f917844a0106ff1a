//! What a sampler is on tensors, and the one that runs every method with fixed steps.

use crate::{AdaptiveOde, Evaluator, Noise, SampleError, Tolerance};
use ddpm_core::Level;
use ddpm_core::scheme::{Combination, Scheme, Step, Trajectory};
use std::collections::VecDeque;
use tch::Tensor;

/// A method that moves a batch from one noise level to a lower one, step by step.
///
/// What a method remembers from step to step lives in it; [`Sampler::begin`] forgets it.
pub trait Sampler {
    /// Goes back to the first step, for a new batch.
    fn begin(&mut self);

    /// Number of steps, where it is known in advance.
    fn steps(&self) -> Option<usize>;

    /// Takes the next step from the state `x_t` [n, ...]; `None` where the last one is taken.
    ///
    /// Runs inside `torch_ext::fence` and without gradients, so tensor operators may be used freely.
    fn step(
        &mut self,
        x_t: &Tensor,
        denoiser: &mut Evaluator<'_>,
        noise: &mut dyn Noise,
    ) -> Result<Option<Moved>, SampleError>;
}

/// A step that was taken.
#[derive(Debug)]
pub struct Moved {
    /// The level before.
    pub from: Level,
    /// The level after.
    pub to: Level,
    /// The state after [n, ...].
    pub x: Tensor,
}

/// The sampler of a scheme along a trajectory. `tolerance` is for methods that choose their own steps.
pub fn sampler(
    scheme: &Scheme,
    trajectory: &Trajectory,
    tolerance: Tolerance,
) -> Result<Box<dyn Sampler>, SampleError> {
    match scheme {
        Scheme::OdeRk45 => Ok(Box::new(AdaptiveOde::new(trajectory, tolerance)?)),
        _ => Ok(Box::new(LinearSampler::new(scheme.plan(trajectory)?))),
    }
}

/// Runs planned steps: each is a linear combination of the state, the denoiser's answers and noise, whose weights `ddpm_core::scheme` derives.
#[derive(Debug)]
pub struct LinearSampler {
    plan: Vec<Step>,
    next: usize,
    /// Answers of the denoiser, the newest first, as many as the plan looks back on.
    answers: VecDeque<Tensor>,
    memory: usize,
}

impl LinearSampler {
    /// A sampler that takes these steps in order.
    pub fn new(plan: Vec<Step>) -> Self {
        let memory = plan.iter().map(Step::memory).max().unwrap_or(0);
        LinearSampler { plan, next: 0, answers: VecDeque::new(), memory }
    }
}

impl Sampler for LinearSampler {
    fn begin(&mut self) {
        self.next = 0;
        self.answers.clear();
    }

    fn steps(&self) -> Option<usize> {
        Some(self.plan.len())
    }

    fn step(
        &mut self,
        x_t: &Tensor,
        denoiser: &mut Evaluator<'_>,
        noise: &mut dyn Noise,
    ) -> Result<Option<Moved>, SampleError> {
        let Some(step) = self.plan.get(self.next) else { return Ok(None) };
        let mut z = (0..step.draws()).map(|_| noise.draw()).collect::<Result<Vec<_>, _>>()?;
        let mut fraction = None;
        for stage in &step.stages {
            let answer = denoiser.evaluate(&combine(&stage.state, x_t, &self.answers, &z), &stage.level)?;
            self.answers.push_front(answer.x0);
            fraction = answer.variance_fraction;
        }
        if let (Some(range), Some(z)) = (step.learned_range, z.first_mut()) {
            let fraction = fraction.ok_or(SampleError::NoLearnedVariance)?;
            // The range interpolates linearly: its value at 0 and its rise to 1 say all.
            let middle = range.log_variance(0.0);
            let rise = range.log_variance(1.0) - middle;
            *z *= ((fraction * rise + middle) * 0.5).exp();
        }
        let x = combine(&step.output, x_t, &self.answers, &z);
        self.answers.truncate(self.memory);
        self.next += 1;
        Ok(Some(Moved { from: step.from, to: step.to, x }))
    }
}

/// The value of a combination: `answers` newest first, `z` in the order drawn.
pub(crate) fn combine(weights: &Combination, x: &Tensor, answers: &VecDeque<Tensor>, z: &[Tensor]) -> Tensor {
    let mut sum = if weights.of_x == 1.0 { None } else { Some(x * weights.of_x) };
    let terms = weights.of_x0.iter().zip(answers).chain(weights.of_noise.iter().zip(z));
    for (&weight, term) in terms.filter(|(weight, _)| **weight != 0.0) {
        let term = term * weight;
        match &mut sum {
            Some(sum) => *sum += term,
            None => sum = Some(term + x),
        }
    }
    sum.unwrap_or_else(|| x.shallow_clone())
}
