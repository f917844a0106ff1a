//! L_simple: the mean squared error of the noise that corresponds to a score.
//!
//! ```text
//! eps_hat = -sigma s(x_t)          L = E |eps - eps_hat|^2 / d          (Ho et al. 2020, eq. 14)
//! ```
//!
//! Denoising score matching with weights lambda = sigma^2, up to the factor d/2.

use super::field::{Field, row_sum};
use ddpm_nets::along_rows;
use tch::Tensor;
use torch_ext::{TorchError, fence};

/// The mean over the components of (eps + sigma s(x_t))^2 of rows x_t and eps [n, ...] and noise levels sigma `[n]`: `[n]`.
pub fn simple(field: &Field<'_>, x_t: &Tensor, eps: &Tensor, sigma: &Tensor) -> Result<Tensor, TorchError> {
    let score = field(x_t)?;
    fence(|| {
        let components = eps.numel() as f64 / eps.size()[0].max(1) as f64;
        row_sum(&(eps + score * along_rows(sigma, eps)).square()) / components
    })
}
