//! Sliced score matching: an objective of random projections of the score and of its derivative.
//!
//! ```text
//! J = E_{x ~ q} E_v [ (v . s(x))^2 / 2 + v . (grad s(x)) v ]          (Song et al. 2019, eq. 8)
//! ```
//!
//! With E[v v^T] = I this is implicit score matching in expectation. One backward pass a projection, whatever the dimension. The variant
//! with |s|^2 in place of (v . s)^2 (SSM-VR, eq. 9) is implicit score matching with Hutchinson's estimator.

use super::divergence::hutchinson_divergence;
use super::field::{Field, row_sum};
use ddpm_nets::autograd::tracked;
use tch::Tensor;
use torch_ext::{TorchError, fence};

/// (v . s)^2 / 2 + v . (grad s) v of rows x [n, ...], averaged over projections v [m, n, ...]: `[n]`.
pub fn sliced(field: &Field<'_>, x: &Tensor, projections: &Tensor) -> Result<Tensor, TorchError> {
    let x = tracked(x);
    let score = field(&x)?;
    let directions = fence(|| projections.unbind(0))?;
    let mut sum = fence(|| row_sum(&score.zeros_like()))?;
    for v in &directions {
        let curvature = hutchinson_divergence(&score, &x, v)?;
        sum = fence(|| sum + row_sum(&(&score * v)).square() * 0.5 + curvature)?;
    }
    fence(|| sum / directions.len() as f64)
}
