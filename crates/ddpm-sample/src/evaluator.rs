//! Evaluations of the denoiser: conversion to x_0, the check for non-finite values, thresholding, and the count of evaluations.

use crate::SampleError;
use crate::error::describe;
use ddpm_core::Level;
use ddpm_nets::{Denoiser, Threshold};
use tch::Tensor;

/// The result of one evaluation.
#[derive(Debug)]
pub struct Evaluation {
    /// D(x): the predicted x_0, thresholded.
    pub x0: Tensor,
    /// What thresholding took from it: the prediction before it less the one after it. None without thresholding.
    pub excess: Option<Tensor>,
    /// The output for a learned variance, of x's shape.
    pub variance_output: Option<Tensor>,
}

/// A denoiser as samplers see it.
pub struct Evaluator<'a> {
    denoiser: &'a dyn Denoiser,
    threshold: Threshold,
    evaluations: u64,
    /// The first result since the driver last took it: D at the beginning of a step.
    first: Option<Tensor>,
    /// The newest result.
    last: Option<Tensor>,
}

impl<'a> Evaluator<'a> {
    /// Wraps a denoiser.
    pub fn new(denoiser: &'a dyn Denoiser, threshold: Threshold) -> Self {
        Evaluator { denoiser, threshold, evaluations: 0, first: None, last: None }
    }

    /// D(x) at `level` for x [n, ...].
    pub fn evaluate(&mut self, x: &Tensor, level: &Level) -> Result<Evaluation, SampleError> {
        let prediction = self.denoiser.predict(x, level)?;
        self.evaluations += 1;
        let raw = prediction.x0(x, level)?;
        // A sum is finite only if its terms are, and costs one pass.
        if !raw.sum(raw.kind()).double_value(&[]).is_finite() {
            return Err(SampleError::NotFinite { level: describe(level) });
        }
        let (x0, excess) = match self.threshold {
            Threshold::None => (raw, None),
            threshold => {
                let x0 = threshold.apply(raw.shallow_clone());
                let excess = raw - &x0;
                (x0, Some(excess))
            }
        };
        self.first.get_or_insert_with(|| x0.shallow_clone());
        self.last = Some(x0.shallow_clone());
        Ok(Evaluation { x0, excess, variance_output: prediction.variance_output })
    }

    /// The predicted x_0 alone.
    pub fn x0(&mut self, x: &Tensor, level: &Level) -> Result<Tensor, SampleError> {
        Ok(self.evaluate(x, level)?.x0)
    }

    /// Number of evaluations so far.
    pub fn evaluations(&self) -> u64 {
        self.evaluations
    }

    /// The newest result.
    pub(crate) fn last(&self) -> Option<&Tensor> {
        self.last.as_ref()
    }

    /// The first result since this was last called.
    pub(crate) fn take_first(&mut self) -> Option<Tensor> {
        self.first.take()
    }
}

impl std::fmt::Debug for Evaluator<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evaluator").field("evaluations", &self.evaluations).finish_non_exhaustive()
    }
}
