//! Fields on rows, which the score-matching losses take.

use tch::{Kind, Tensor};
use torch_ext::TorchError;

/// A field s(x), of x's shape [n, ...], whose rows do not depend on each other. Differentiable in x.
pub type Field<'a> = dyn Fn(&Tensor) -> Result<Tensor, TorchError> + 'a;

/// Sum over all but the first dimension: [n, ...] -> `[n]`.
pub(super) fn row_sum(x: &Tensor) -> Tensor {
    x.flatten(1, -1).sum_dim_intlist([1i64].as_slice(), false, None::<Kind>)
}
