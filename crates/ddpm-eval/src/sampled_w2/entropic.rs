//! The entropic (Sinkhorn) distance of small blocks of samples. The sliced distance depends on projections only; this one does not.

use crate::EvalError;
use ddpm_core::interval::Estimate;
use ddpm_core::transport::{Cloud, Sinkhorn};

/// Points in a block. The cost grows with their square.
const BLOCK: usize = 100;
/// Number of blocks, whose distances give a mean with a standard error.
const BLOCKS: usize = 3;
/// Blur as a share of the mean squared distance from the mean, per dimension.
const RELATIVE_BLUR: f64 = 0.1;

/// Blocks of a reference set.
pub(super) struct Blocks<'a> {
    dim: usize,
    points: &'a [f64],
    sinkhorn: Sinkhorn,
}

impl<'a> Blocks<'a> {
    /// The blocks of a set of points; none for fewer than two blocks, and in one dimension, where distances are exact.
    pub(super) fn of(dim: usize, points: &'a [f64]) -> Option<Self> {
        if dim == 1 || points.len() < 2 * BLOCK * dim {
            return None;
        }
        let rows = (points.len() / dim) as f64;
        let spread: f64 = (0..dim)
            .map(|c| {
                let column = || points.iter().skip(c).step_by(dim);
                let mean = column().sum::<f64>() / rows;
                column().map(|x| (x - mean).powi(2)).sum::<f64>() / rows
            })
            .sum();
        let blur = (RELATIVE_BLUR * spread / dim as f64).max(f64::MIN_POSITIVE);
        Some(Blocks { dim, points, sinkhorn: Sinkhorn { tolerance: 1e-2, ..Sinkhorn::new(blur) } })
    }

    /// Mean and standard error of the distance between blocks of `samples` and of the reference.
    pub(super) fn distance(&self, samples: &[f64]) -> Result<[f64; 2], EvalError> {
        let width = BLOCK * self.dim;
        let blocks = samples.chunks_exact(width).zip(self.points.chunks_exact(width));
        let distances: Vec<f64> = blocks
            .take(BLOCKS)
            .map(|(a, b)| Ok(self.sinkhorn.w2(&Cloud::new(self.dim, a)?, &Cloud::new(self.dim, b)?)?))
            .collect::<Result<_, EvalError>>()?;
        let Estimate { mean, stderr, .. } = Estimate::of(distances.into_iter())?;
        Ok([mean, stderr])
    }
}
