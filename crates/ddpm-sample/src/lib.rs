//! Samplers over any denoiser.
//!
//! A method is data, `ddpm_core::scheme::Scheme`, with the levels it goes through, `ddpm_core::scheme::Trajectory`; [`sample`] runs it. Noise is
//! an argument ([`NoiseInput`]), so that image i gets the same numbers whatever the batch size. This crate knows nothing of networks, files of checkpoints, data sets or pictures: it sees
//! [`ddpm_nets::Denoiser`] alone.
//!
//! ```
//! use ddpm_core::scheme::{Scheme, Trajectory};
//! use ddpm_core::{Level, PredictionKind, Schedule, Variance, grid::Grid};
//! use ddpm_nets::{Denoiser, NetsError, Prediction};
//! use ddpm_sample::{NoiseInput, Options, sample};
//! use std::ops::ControlFlow;
//! use tch::{Device, Tensor};
//!
//! /// Knows that all data are zero.
//! struct Zero;
//! impl Denoiser for Zero {
//!     fn predict(&self, x_t: &Tensor, _: &Level) -> Result<Prediction, NetsError> {
//!         Ok(Prediction { kind: PredictionKind::X0, value: x_t.zeros_like(), variance_fraction: None })
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

mod adaptive;
mod batches;
mod driver;
mod encoding;
mod error;
mod evaluation;
pub mod guidance;
mod inpainting;
mod noise;
mod sampler;
mod stride;
mod threshold;

pub use adaptive::{AdaptiveOde, Tolerance};
pub use batches::sample_batches;
pub use driver::{Frame, Options, Progress, Record, Samples, run, sample};
pub use encoding::{encode, interpolate};
pub use error::SampleError;
pub use evaluation::{Evaluation, Evaluator};
pub use inpainting::Inpainting;
pub use noise::{BatchNoise, Noise, NoiseInput};
pub use sampler::{LinearSampler, Moved, Sampler, sampler};
pub use stride::{sample_on_grid, strided_ddim};
pub use threshold::Threshold;
