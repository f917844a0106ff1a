//! The denoising error of a network at each noise level, measured once for everything that is computed from it.
//!
//! ```text
//! mse_t     = E|x_0 - D_theta(x_t)|^2            summed over the d components; D_theta thresholded as the sampler does it
//! eps-mse_t = E|eps - eps_theta(x_t)|^2 / d      the network's own regression error, L_simple at level t (Ho et al. 2020, eq. 14)
//! gap_t     = E|D_theta(x_t) - D_emp(x_t)|^2     distance to the empirical denoiser, the exact one of the training images' measure
//! ```
//!
//! All of them come from one pass over the images: network, empirical denoiser and reference network see the same x_t. Image i has its own
//! noise at every level, keyed by (seed, split, image, level, repeat), which neither the batch size nor the other images change. Differences
//! between two models measured with the same settings are therefore paired.
//!
//! Levels are measured at a choice ([`LevelPlan`]); between them an error is a power of the signal-to-noise ratio ([`LevelCurve`]).

mod denoisers;
mod empirical;
mod engine;
mod error_table;
mod level_curve;
mod level_plan;
mod noised_images;
mod split_errors;

pub use denoisers::{ClassConditional, ThresholdedDenoiser, TrainedNetwork, Unconditional};
pub use empirical::EmpiricalDenoiser;
pub use engine::{DecoderAt, Measurement};
pub use error_table::ErrorTable;
pub use level_curve::LevelCurve;
pub use level_plan::LevelPlan;
pub use split_errors::{EmpiricalErrors, SplitErrors};
