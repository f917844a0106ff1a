//! Score matching: objectives whose minimizer is the score s*(x) = grad log q(x) of a law that is only known through samples, or known.
//!
//! | objective | loss of a sample x of q | source |
//! |---|---|---|
//! | [`explicit`] | \|s - s*\|^2 / 2 | Hyvarinen 2005, eq. 2 |
//! | [`implicit`] | \|s\|^2 / 2 + div s | Hyvarinen 2005, theorem 1 |
//! | [`sliced`] | (v . s)^2 / 2 + v . (grad s) v, v random | Song et al. 2019, eq. 8 |
//! | [`denoising`] | \|s(x_t) + eps/sigma\|^2 / 2 | Vincent 2011, eq. 9-11 |
//! | [`simple`] | \|eps + sigma s(x_t)\|^2 / d | Ho et al. 2020, eq. 14 |
//!
//! Where q vanishes at infinity the first three differ by constants in expectation, and the fourth, too, if q is the noised law. A loss is
//! a function of a field and of points of any shape [n, ...]: vectors and images alike. [`ScoreMatching`] draws levels, noises data, weighs
//! the rows' losses and hands the mean to the trainer; energy-based training is the same with a network whose score is a gradient, and the
//! SDEs of Song et al. 2021 are the same with levels from a process in continuous time.

mod denoising;
mod divergence;
mod explicit;
mod implicit;
mod model;
mod objective;
mod simple;
mod sliced;
mod source;
mod task;

pub use denoising::denoising;
pub use divergence::{directional_derivative, exact_divergence, hutchinson_divergence};
pub use explicit::explicit;
pub use implicit::{Divergence, implicit};
pub use model::{ImageScore, PublishedScore, VectorScore};
pub use objective::{DivergenceKind, LevelWeight, ScoreObjective};
pub use simple::simple;
pub use sliced::sliced;
pub use source::{ImageSource, Source, TargetSource};
pub use task::ScoreMatching;

use tch::{Kind, Tensor};
use torch_ext::TorchError;

/// A field s(x), of x's shape [n, ...], whose rows do not depend on each other. Differentiable in x.
pub type Field<'a> = dyn Fn(&Tensor) -> Result<Tensor, TorchError> + 'a;

/// Sum over all but the first dimension: [n, ...] -> `[n]`.
fn row_sum(x: &Tensor) -> Tensor {
    x.flatten(1, -1).sum_dim_intlist([1i64].as_slice(), false, None::<Kind>)
}
