//! The divergence of a field, by automatic differentiation.
//!
//! ```text
//! div s = sum_i ds_i/dx_i                   d derivatives
//! div s = E_v[ v . (grad s) v ]             E[v v^T] = I: one derivative a probe (Hutchinson 1990)
//! ```
//!
//! Both keep the graph, so that a loss made of them can be differentiated in the weights. The rows of the field must not depend on each
//! other, and `score` was computed from `x`, which records gradients (`ddpm_nets::autograd::tracked`).

use super::field::row_sum;
use ddpm_nets::autograd::gradient;
use tch::{Kind, Tensor};
use torch_ext::{TorchError, fence};

/// div s of rows [n, ...] to rounding: `[n]`. d backward passes for d components.
pub fn exact_divergence(score: &Tensor, x: &Tensor) -> Result<Tensor, TorchError> {
    let (components, n) = fence(|| (score.flatten(1, -1), score.size()[0]))?;
    let mut divergence = fence(|| Tensor::zeros([n], (Kind::Float, x.device())).to_kind(x.kind()))?;
    for i in 0..fence(|| components.size()[1])? {
        let component = fence(|| components.select(1, i))?;
        let derivative = gradient(&component, x)?;
        divergence = fence(|| divergence + derivative.flatten(1, -1).select(1, i))?;
    }
    Ok(divergence)
}

/// v . (grad s) v of rows [n, ...] for probes v of x's shape: `[n]`. An unbiased estimate of div s where E[v v^T] = I.
///
/// Signs (+1 or -1 with equal probability) have the least variance of all such probes with independent components.
pub fn hutchinson_divergence(score: &Tensor, x: &Tensor, probes: &Tensor) -> Result<Tensor, TorchError> {
    let along = fence(|| score * probes)?;
    let pulled = gradient(&along, x)?;
    fence(|| row_sum(&(pulled * probes)))
}
