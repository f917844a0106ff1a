//! The denoising error of a model at each noise level:
//!
//! ```text
//! mse_t     = E|x_0 - D_theta(x_t)|^2            summed over the d components; D_theta thresholded as the sampler does it
//! eps-mse_t = E|eps - eps_theta(x_t)|^2 / d      the network's own regression error, L_simple at level t (Ho et al. 2020, eq. 14)
//! ```
//!
//! Each image gets noise of its own at every level, keyed by (seed, split, image, level, repeat): neither the batch size nor the other
//! images change it, and two models measured with the same settings see the same x_t, so that their difference is paired.

mod levels;
mod measure;
mod memorizer;
mod model;
mod noised;
mod result;

pub(crate) use levels::coordinates;
pub use levels::{spread, sum_weights};
pub(crate) use measure::squared_norms;
pub use measure::{Measurement, Progress, denoising_error, training_floor};
pub use memorizer::Memorizer;
pub use model::{Model, NetworkModel, Unconditional};
pub use noised::{NoisedBatch, NoisedImages};
pub use result::LevelErrors;
