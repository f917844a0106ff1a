//! Squared errors image by image and level by level.

use crate::EvalError;
use ddpm_core::interval::Estimate;

/// Squared errors, [image][measured level], each the mean over the image's noise draws.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorTable {
    levels: usize,
    values: Vec<f64>,
}

impl ErrorTable {
    /// From rows of `levels` values, one row an image.
    pub fn new(levels: usize, values: Vec<f64>) -> Result<Self, EvalError> {
        if levels == 0 || !values.len().is_multiple_of(levels) {
            let expected = format!("a multiple of {levels} levels");
            return Err(EvalError::mismatch("errors by image and level", expected, values.len()));
        }
        Ok(ErrorTable { levels, values })
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.values.len() / self.levels
    }

    /// The errors of one image, one a level.
    pub fn row(&self, image: usize) -> &[f64] {
        &self.values[image * self.levels..(image + 1) * self.levels]
    }

    /// The rows of all images.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> + Clone {
        self.values.chunks_exact(self.levels)
    }

    /// The mean over images at one level.
    pub fn estimate(&self, level: usize) -> Result<Estimate, EvalError> {
        Ok(Estimate::of(self.rows().map(|row| row[level]))?)
    }

    /// The mean over images at every level.
    pub fn means(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.levels];
        for row in self.rows() {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        let n = self.images().max(1) as f64;
        sums.into_iter().map(|sum| sum / n).collect()
    }

    /// sum_k w_k error_k of every image.
    pub fn dot(&self, weights: &[f64]) -> Vec<f64> {
        self.rows().map(|row| row.iter().zip(weights).map(|(value, weight)| value * weight).sum()).collect()
    }

    /// The mean over images of sum_k w_k error_k, summed within each image: errors of one image at different levels are not independent.
    pub fn weighted_sum(&self, weights: &[f64]) -> Result<Estimate, EvalError> {
        if weights.len() != self.levels {
            return Err(EvalError::mismatch("weights of levels", self.levels, weights.len()));
        }
        Ok(Estimate::of(self.dot(weights).into_iter())?)
    }

    /// The images for which `keep` holds.
    pub fn select(&self, keep: impl Fn(usize) -> bool) -> Self {
        let rows = self.rows().enumerate().filter(|(image, _)| keep(*image));
        ErrorTable { levels: self.levels, values: rows.flat_map(|(_, row)| row.iter().copied()).collect() }
    }

    /// A table of the same size whose entry at (image, level) is `of(image, level)`.
    pub fn map(&self, of: impl Fn(usize, usize) -> f64) -> Self {
        let values = (0..self.values.len()).map(|at| of(at / self.levels, at % self.levels)).collect();
        ErrorTable { levels: self.levels, values }
    }
}
