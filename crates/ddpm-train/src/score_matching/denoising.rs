//! Denoising score matching: the score of noised data from the noise that was added.
//!
//! ```text
//! x_t = alpha x_0 + sigma eps          grad log q(x_t | x_0) = -eps/sigma
//! J = E_{x_0, eps} |s(x_t) + eps/sigma|^2 / 2          (Vincent 2011, eq. 9-11)
//! ```
//!
//! In expectation this is explicit score matching of the noised law q_t plus a constant: E[-eps/sigma | x_t] is its score. Averaged over
//! many levels with weights lambda(sigma) = sigma^2 it is the objective of noise-conditional score networks (Song & Ermon 2019, eq. 5-6);
//! with levels from a process in continuous time, that of score-based SDEs (Song et al. 2021, eq. 7). The target has
//! variance 1/sigma^2, which makes small noise slow to learn; the implicit objectives do not have this problem.

use super::field::{Field, row_sum};
use ddpm_nets::along_rows;
use tch::Tensor;
use torch_ext::{TorchError, fence};

/// |s(x_t) + eps/sigma|^2 / 2 of rows x_t and eps [n, ...] and noise levels sigma `[n]`: `[n]`.
pub fn denoising(
    field: &Field<'_>,
    x_t: &Tensor,
    eps: &Tensor,
    sigma: &Tensor,
) -> Result<Tensor, TorchError> {
    let score = field(x_t)?;
    fence(|| row_sum(&(score + eps / along_rows(sigma, eps)).square()) * 0.5)
}
