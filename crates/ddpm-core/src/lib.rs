//! Diffusion mathematics in f64: no tensors, no files.
//!
//! The noising process is x_t = alpha_t x_0 + sigma_t eps with eps ~ N(0, I). Everything here is a function of one currency, the
//! log signal-to-noise ratio log(alpha_t^2 / sigma_t^2): a [`Schedule`] makes [`Level`]s, a [`grid`] chooses which of them a sampler
//! visits, and the [`posterior`], the [`parameterization`] and the samplers' [`scheme`]s take levels, never bare betas.
//!
//! - noise: [`schedule`] (discrete), [`sde`] (continuous), [`grid`] (which levels are visited), [`mod@noise`] (random numbers by key)
//! - one step: [`posterior`], [`variance`], [`scheme`] (the scalars of every sampler)
//! - networks: [`parameterization`], [`preconditioning`], [`weight`], [`bound`] (the variational bound, term by term)
//! - exact references: [`target`] (laws with known denoisers), [`recursion`] (the law of a sampler's output on a Gaussian)
//! - error: [`decomposition`], [`classical`], [`transport`] (W2 between samples), [`interval`] (confidence), [`power_law`] (how it scales)
#![deny(missing_docs)]

pub mod bound;
pub mod classical;
pub mod decomposition;
mod error;
mod expected_exponent;
pub mod grid;
pub mod interval;
mod level;
mod mismatch;
pub mod noise;
mod noising;
pub mod parameterization;
pub mod posterior;
pub mod power_law;
pub mod preconditioning;
pub mod recursion;
pub mod schedule;
pub mod scheme;
pub mod sde;
pub mod target;
pub mod transport;
mod truncation;
pub mod variance;
pub mod weight;

pub use bound::{BoundStep, StepVariance};
pub use error::CoreError;
pub use expected_exponent::{ExpectedExponent, FIXED_SMALL_LIMIT};
pub use grid::Grid;
pub use level::{Level, Time, TimeIndex};
pub use mismatch::Mismatch;
pub use noising::{Noising, NoisingConfig, ProcessConfig};
pub use parameterization::{LinearMap, Parameterization, PredictionKind};
pub use posterior::Posterior;
pub use preconditioning::Preconditioning;
pub use schedule::{Scale, Schedule, ScheduleConfig, ScheduleKind};
pub use scheme::{Combination, SAMPLERS, Scheme, Stage, Step, Trajectory};
pub use sde::Process;
pub use target::{Target, TargetSpec};
pub use variance::{LogVarianceRange, Variance};
pub use weight::Weight;
