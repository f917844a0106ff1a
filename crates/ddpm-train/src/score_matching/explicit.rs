//! Explicit score matching: least squares against a score that is known.
//!
//! ```text
//! J = E_{x ~ q} |s(x) - s*(x)|^2 / 2          (Hyvarinen 2005, eq. 2)
//! ```
//!
//! It needs the score s* and so a closed-form target. It is the reference for the other objectives, which do without s*.

use super::field::{Field, row_sum};
use tch::Tensor;
use torch_ext::{TorchError, fence};

/// |s(x) - s*(x)|^2 / 2 of rows x and their scores s*, both [n, ...]: `[n]`.
pub fn explicit(field: &Field<'_>, x: &Tensor, target_score: &Tensor) -> Result<Tensor, TorchError> {
    let score = field(x)?;
    fence(|| row_sum(&(score - target_score).square()) * 0.5)
}
