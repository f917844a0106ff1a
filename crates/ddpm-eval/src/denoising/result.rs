//! The errors of single images at every level, and what is estimated from them.

use crate::{Estimate, EvalError};
use ddpm_core::{Level, Time};
use ddpm_data::Split;
use ddpm_report::results::{DenoisingError, LevelError, SplitSum};

/// Denoising errors image by image: each value is the mean over the image's noise draws at that level.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelErrors {
    pub(super) split: Split,
    pub(super) dim: usize,
    pub(super) levels: Vec<Level>,
    pub(super) indices: Vec<usize>,
    /// |x_0 - D(x_t)|^2, [image][level].
    pub(super) x0: Vec<f64>,
    /// |eps - eps_theta(x_t)|^2 / d, [image][level].
    pub(super) epsilon: Vec<f64>,
}

impl LevelErrors {
    /// The split that the images are from.
    pub fn split(&self) -> Split {
        self.split
    }

    /// Components of an image.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The levels, in the order in which they were given.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.indices.len()
    }

    /// Where each image stands in its set.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// |x_0 - D(x_t)|^2 of one image, one entry a level.
    pub fn of_image(&self, image: usize) -> &[f64] {
        let n = self.levels.len();
        &self.x0[image * n..(image + 1) * n]
    }

    /// E|x_0 - D(x_t)|^2 at the level at `position`.
    pub fn mse(&self, position: usize) -> Result<Estimate, EvalError> {
        Ok(Estimate::of(column(&self.x0, self.levels.len(), position))?)
    }

    /// E|eps - eps_theta|^2 / d at the level at `position`.
    pub fn epsilon_mse(&self, position: usize) -> Result<Estimate, EvalError> {
        Ok(Estimate::of(column(&self.epsilon, self.levels.len(), position))?)
    }

    /// E sum_k w_k |x_0 - D(x_{t_k})|^2, summed within each image first: errors of one image at different levels are not independent.
    pub fn mse_sum(&self, weights: &[f64]) -> Result<Estimate, EvalError> {
        self.weighted_sum(&self.x0, weights)
    }

    /// E sum_k w_k |eps - eps_theta(x_{t_k})|^2 / d, summed within each image likewise.
    pub fn epsilon_sum(&self, weights: &[f64]) -> Result<Estimate, EvalError> {
        self.weighted_sum(&self.epsilon, weights)
    }

    /// Adds this split's curve and sums to a result; `weights` say how many visited levels each measured one stands for.
    pub(super) fn add_to(&self, result: &mut DenoisingError, weights: &[f64]) -> Result<(), EvalError> {
        for (position, (level, &weight)) in self.levels.iter().zip(weights).enumerate() {
            let (mse, epsilon) = (self.mse(position)?, self.epsilon_mse(position)?);
            result.levels.push(LevelError {
                split: self.split,
                t: match level.time() {
                    Time::Index(t) => Some(t.one_based()),
                    _ => None,
                },
                snr: level.snr(),
                mse: mse.mean,
                stderr: mse.stderr,
                epsilon_mse: epsilon.mean,
                epsilon_stderr: epsilon.stderr,
                n: mse.n,
                weight,
            });
        }
        let mean: Vec<f64> = weights.iter().map(|weight| weight / result.visited as f64).collect();
        result.sums.push(SplitSum {
            split: self.split,
            mse_sum: self.mse_sum(weights)?,
            loss: self.epsilon_sum(&mean)?,
        });
        Ok(())
    }

    fn weighted_sum(&self, values: &[f64], weights: &[f64]) -> Result<Estimate, EvalError> {
        if weights.len() != self.levels.len() {
            return Err(EvalError::mismatch("weights of levels", self.levels.len(), weights.len()));
        }
        let sum = |errors: &[f64]| errors.iter().zip(weights).map(|(error, weight)| error * weight).sum();
        Ok(Estimate::of(values.chunks_exact(self.levels.len().max(1)).map(sum))?)
    }
}

fn column(values: &[f64], levels: usize, position: usize) -> impl ExactSizeIterator<Item = f64> + Clone + '_ {
    values.iter().skip(position).step_by(levels).copied()
}
