//! Samplers with fixed steps.

use crate::{Evaluator, Moved, Noise, SampleError, Sampler};
use ddpm_core::{Combination, Step};
use std::collections::VecDeque;
use tch::Tensor;

/// Takes planned steps: each is a linear combination of the state, predictions of the denoiser and noise, with weights from
/// `ddpm_core::scheme`.
#[derive(Debug)]
pub struct LinearSampler {
    plan: Vec<Step>,
    next: usize,
    /// Predictions of the denoiser, the newest first, as many as the plan uses.
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
        let (mut variance_output, mut excess) = (None, None);
        for stage in &step.stages {
            let answer = denoiser.evaluate(&combine(&stage.state, x_t, &self.answers, &z), &stage.level)?;
            self.answers.push_front(answer.x0);
            (variance_output, excess) = (answer.variance_output, answer.excess);
        }
        if let (Some(learned), Some(z)) = (step.learned_variance, z.first_mut()) {
            let output = variance_output.ok_or(SampleError::NoLearnedVariance)?;
            *z *= ((output * learned.per_unit + learned.at_zero) * 0.5).exp();
        }
        let mut x = combine(&step.output, x_t, &self.answers, &z);
        if let (Some(excess), true) = (excess, step.of_excess != 0.0) {
            x += excess * step.of_excess;
        }
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
