//! Gradients that can be differentiated again.

use tch::Tensor;
use torch_ext::{TorchError, fence};

/// A handle to `x` that records gradients: `x` itself where it already does, else a copy of its place in the graph.
pub fn tracked(x: &Tensor) -> Tensor {
    if x.requires_grad() { x.shallow_clone() } else { x.detach().set_requires_grad(true) }
}

/// d(sum of `of`)/dx, of x's shape, with a graph of its own. `of` was computed from `x`, which is [`tracked`].
pub fn gradient(of: &Tensor, x: &Tensor) -> Result<Tensor, TorchError> {
    let mut gradients = fence(|| Tensor::run_backward(&[of.sum(of.kind())], &[x], true, true))?;
    Ok(gradients.remove(0))
}
