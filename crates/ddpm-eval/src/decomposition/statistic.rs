//! Sums of means over independent samples of images, with their intervals.

use crate::EvalError;
use ddpm_core::interval::{CONFIDENCE, Difference, Estimate, Interval};
use ddpm_data::Split;

/// A constant plus the mean over training images plus the mean over held-out images.
#[derive(Clone, Default)]
pub(super) struct Statistic {
    constant: f64,
    /// One value an image, by split; empty for a split that does not contribute.
    samples: [Vec<f64>; 2],
}

impl Statistic {
    pub(super) fn constant(constant: f64) -> Self {
        Statistic { constant, ..Statistic::default() }
    }

    /// The mean over images of `values`, one an image.
    pub(super) fn mean(split: Split, values: &[f64]) -> Self {
        Statistic::default().plus(split, 1.0, values)
    }

    /// With `factor` times the mean of `values`, one an image. What is added to the same split is summed within each image.
    pub(super) fn plus(mut self, split: Split, factor: f64, values: &[f64]) -> Self {
        let sums = &mut self.samples[split as usize];
        sums.resize(values.len(), 0.0);
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += factor * value);
        self
    }

    /// Value, standard error and degrees of freedom: Student's for one split, Welch's for two.
    pub(super) fn estimate(&self) -> Result<Difference, EvalError> {
        let mut estimates = Vec::new();
        for sample in self.samples.iter().filter(|sample| !sample.is_empty()) {
            estimates.push(Estimate::of(sample.iter().copied())?);
        }
        let of_images = match estimates.as_slice() {
            [] => Difference { mean: 0.0, stderr: 0.0, degrees_of_freedom: 1.0 },
            [one] => {
                let degrees_of_freedom = one.n as f64 - 1.0;
                Difference { mean: one.mean, stderr: one.stderr, degrees_of_freedom }
            }
            // Welch's interval is that of a difference: the sum is one with the sign of the second turned.
            [first, second, ..] => first.minus_independent(&Estimate { mean: -second.mean, ..*second }),
        };
        Ok(Difference { mean: of_images.mean + self.constant, ..of_images })
    }

    pub(super) fn interval(&self) -> Result<Interval, EvalError> {
        Ok(self.estimate()?.interval(CONFIDENCE))
    }

    /// The interval with `value` in place of its centre, from which it differs by rounding: sums over levels of a curve add up exactly.
    pub(super) fn interval_of(&self, value: f64) -> Result<Interval, EvalError> {
        Ok(Interval { value, ..self.interval()? })
    }
}
