//! Implicit score matching: an objective without the score of the data.
//!
//! ```text
//! J = E_{x ~ q} [ |s(x)|^2 / 2 + div s(x) ]          (Hyvarinen 2005, theorem 1)
//! ```
//!
//! Integration by parts turns -E[s . s*] into E[div s] where q s vanishes at infinity, so J is explicit score matching less E|s*|^2 / 2.
//! The divergence is exact in low dimension; elsewhere Hutchinson's estimator keeps J unbiased.

use super::divergence::{exact_divergence, hutchinson_divergence};
use super::field::{Field, row_sum};
use ddpm_nets::autograd::tracked;
use tch::Tensor;
use torch_ext::{TorchError, fence};

/// The computation of div s.
#[derive(Clone, Copy, Debug)]
pub enum Divergence<'a> {
    /// One derivative for each component of x.
    Exact,
    /// One derivative along probes v [n, ...] with E[v v^T] = I.
    Hutchinson(&'a Tensor),
}

/// |s|^2 / 2 + div s of rows x [n, ...]: `[n]`.
pub fn implicit(field: &Field<'_>, x: &Tensor, divergence: Divergence<'_>) -> Result<Tensor, TorchError> {
    let x = tracked(x);
    let score = field(&x)?;
    let divergence = match divergence {
        Divergence::Exact => exact_divergence(&score, &x)?,
        Divergence::Hutchinson(probes) => hutchinson_divergence(&score, &x, probes)?,
    };
    fence(|| row_sum(&score.square()) * 0.5 + divergence)
}
