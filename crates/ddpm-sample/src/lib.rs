//! Samplers over any denoiser.
//!
//! [`sample`] walks a [`Sampler`] down a list of noise levels; noise is an argument ([`NoiseInput`]), so that image i gets the same numbers
//! whatever the batch size. This crate knows nothing of networks, files of checkpoints, data sets or pictures: it sees
//! [`ddpm_nets::Denoiser`] alone.
//!
//! ```
//! use ddpm_core::{Level, PredictionKind, Schedule, Variance, grid::Grid};
//! use ddpm_nets::{Denoiser, NetsError, Prediction};
//! use ddpm_sample::{Ddpm, NoiseInput, Options, sample};
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
//! let levels = schedule.visited(&Grid::Trailing.timesteps(1000, 50)?)?;
//! let noise = NoiseInput::keyed(0, &[3, 8, 8]);
//! let mut batch = noise.batch(0..4, Device::Cpu)?;
//! let mut sampler = Ddpm::new(Variance::FixedLarge);
//! let samples = sample(&Zero, &mut sampler, &levels, &mut batch, &Options::default(), &mut |_| std::ops::ControlFlow::Continue(()))?;
//! assert_eq!(samples.x.size(), [4, 3, 8, 8]);
//! assert_eq!(samples.x.abs().max().double_value(&[]), 0.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(missing_docs)]

mod ancestral;
mod batches;
mod driver;
mod error;
mod evaluation;
mod noise;
mod pixels;
mod threshold;

pub use ancestral::Ddpm;
pub use batches::sample_batches;
pub use driver::{Frame, Options, Progress, Record, Sampler, Samples, sample};
pub use error::SampleError;
pub use evaluation::{Evaluation, Evaluator};
pub use noise::{BatchNoise, Noise, NoiseInput};
pub use pixels::to_u8;
pub use threshold::Threshold;
