//! Sampling with any denoiser.
//!
//! [`sample`] runs a method, `ddpm_core::Scheme`, along the levels of a `ddpm_core::Trajectory`. Noise is an argument
//! ([`NoiseInput`]): image i gets the same numbers whatever the batch size. Guidance and inpainting wrap denoisers and samplers.
//!
//! This crate knows nothing of networks, checkpoint files, data sets or pictures: it sees [`ddpm_nets::Denoiser`] alone.
//!
//! ```
//! use ddpm_core::{Grid, Level, PredictionKind, Schedule, Scheme, Trajectory, Variance};
//! use ddpm_nets::{Denoiser, NetsError, Prediction};
//! use ddpm_sample::{NoiseInput, Options, sample};
//! use std::ops::ControlFlow;
//! use tch::{Device, Tensor};
//!
//! /// Knows that all data are zero.
//! struct Zero;
//! impl Denoiser for Zero {
//!     fn predict(&self, x_t: &Tensor, _: &Level) -> Result<Prediction, NetsError> {
//!         Ok(Prediction { kind: PredictionKind::X0, value: x_t.zeros_like(), variance_output: None })
//!     }
//! }
//!
//! let schedule = Schedule::linear(1000)?;
//! let trajectory = Trajectory::discrete(&schedule, &Grid::Trailing.timesteps(1000, 50)?)?;
//! let scheme = Scheme::Ddpm { variance: Variance::FixedLarge };
//! let mut noise = NoiseInput::keyed(0, &[3, 8, 8]).batch(0..4, Device::Cpu)?;
//! let mut progress = |_: &ddpm_sample::Progress| ControlFlow::Continue(());
//! let samples = sample(&Zero, &scheme, &trajectory, &mut noise, &Options::default(), &mut progress)?;
//! assert_eq!(samples.x.size(), [4, 3, 8, 8]);
//! assert_eq!(samples.x.abs().max().double_value(&[]), 0.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(missing_docs)]

mod adaptive_ode;
mod batches;
mod coupled_draws;
mod driver;
mod encoding;
mod error;
mod evaluator;
pub mod guidance;
mod inpainting;
pub mod likelihood;
mod linear_sampler;
mod noise_input;
mod sampler;
mod step_control;
mod step_errors;
mod strided_ddim;

pub use adaptive_ode::AdaptiveOde;
pub use batches::sample_batches;
pub use coupled_draws::CoupledDraws;
pub use driver::{Frame, Options, Progress, Record, Samples, run, sample, sampler};
pub use encoding::{encode, interpolate};
pub use error::SampleError;
pub use evaluator::{Evaluation, Evaluator};
pub use inpainting::Inpainting;
pub use linear_sampler::LinearSampler;
pub use noise_input::{BatchNoise, Noise, NoiseInput};
pub use sampler::{Moved, Sampler};
pub use step_control::Tolerance;
pub use step_errors::{StepErrors, refined};
pub use strided_ddim::{sample_on_grid, sampler_on_grid, strided_ddim};
