//! The mathematics of denoising diffusion models in f64: scalars and closed-form laws, without tensors, files or networks.
//!
//! The noising process is x_t = alpha_t x_0 + sigma_t eps with eps ~ N(0, I). A noise level is a [`Level`], (alpha, sigma) with its log-SNR
//! log(alpha^2/sigma^2); every formula of this crate takes levels, never betas.
//!
//! # From noise to samples
//!
//! ```
//! use ddpm_core::recursion::{GaussianDenoiser, Start, sample_law};
//! use ddpm_core::targets::{Covariance, Gaussian};
//! use ddpm_core::{Noising, Schedule, Scheme};
//!
//! // Ho et al.'s linear schedule, 50 of its 1000 levels, DDIM's steps along them.
//! let noising = Noising::Discrete(Schedule::linear(1000)?);
//! let trajectory = noising.trajectory(50, noising.default_grid())?;
//! let steps = Scheme::ddim(0.0).plan(&trajectory)?;
//!
//! // The exact law of its samples on data N(0.3, 0.25).
//! let data = Gaussian::new(vec![0.3], Covariance::Diagonal(vec![0.25]))?;
//! let samples = sample_law(&GaussianDenoiser::new(&data, 0.0), &trajectory, &steps, Start::Prior);
//! assert!((samples[0].variance / 0.25 - 1.0).abs() < 0.2);
//! # Ok::<(), ddpm_core::CoreError>(())
//! ```
//!
//! # Contents
//!
//! | | |
//! |---|---|
//! | noising | [`Noising`]: a discrete [`Schedule`] or a continuous [`Process`]; [`Grid`] chooses the levels of a [`Trajectory`]; [`mod@noise`] draws random numbers by key |
//! | one step | [`Posterior`] q(x_s given x_t, x_0), [`Variance`] of the reverse step, [`Scheme`] and [`scheme`]: every sampler's [`Step`]s as numbers |
//! | networks | [`Parameterization`]: epsilon, x0, v, score or [`Preconditioning`]; [`Weight`] of the loss; [`bound_steps`]: the variational bound term by term |
//! | exact references | [`targets`]: laws of data with a closed-form denoiser; [`recursion`]: the law of a sampler's output on a Gaussian |
//! | error | [`decomposition`] into initialization, discretization and training; [`classical`]: the terms as the literature states them; [`transport`]: W2 between samples |
//! | statistics | [`interval`]: confidence intervals; [`power_law`] and [`ExpectedExponent`]: how an error scales |
#![deny(missing_docs)]

mod bound;
mod chosen_levels;
pub mod classical;
pub mod decomposition;
mod error;
mod expected_exponent;
mod grid;
pub mod interval;
mod level;
mod mismatch;
pub mod noise;
mod noising;
mod noising_config;
mod parameterization;
mod posterior;
pub mod power_law;
mod preconditioning;
mod prediction;
pub mod recursion;
mod scale;
mod schedule;
pub mod scheme;
mod sde;
pub mod targets;
mod trajectory;
pub mod transport;
mod truncation;
mod variance;
mod weight;

pub use bound::{BoundStep, StepVariance, bound_steps};
pub use chosen_levels::ChosenLevels;
pub use error::CoreError;
pub use expected_exponent::{ExpectedExponent, FIXED_SMALL_LIMIT};
pub use grid::{Grid, nearest_timesteps};
pub use level::{Level, Time, TimeIndex};
pub use mismatch::Mismatch;
pub use noising::Noising;
pub use noising_config::{NoisingConfig, ProcessConfig};
pub use parameterization::{NoiseCondition, Parameterization};
pub use posterior::Posterior;
pub use preconditioning::Preconditioning;
pub use prediction::{LinearMap, PredictionKind};
pub use scale::Scale;
pub use schedule::{Schedule, ScheduleConfig, ScheduleKind};
pub use scheme::scheme_kind::Scheme;
pub use scheme::step::{Combination, Stage, Step};
pub use scheme::table::SAMPLERS;
pub use sde::{DriftCoefficients, Interpolated, Process, ProcessKind, Rates};
pub use targets::target::Target;
pub use targets::target_spec::TargetSpec;
pub use trajectory::Trajectory;
pub use variance::{LearnedLogVariance, Variance};
pub use weight::Weight;
