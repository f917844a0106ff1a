//! Denoisers on tensors: the U-Net, what every denoiser has in common, and checkpoints in diffusers' layout.
//!
//! This crate knows nothing of data sets, objectives, samplers or command lines. A model is something that can be called: samplers and
//! evaluators see [`Denoiser`] alone.
#![deny(missing_docs)]

pub mod autograd;
pub mod bound;
pub mod checkpoint;
mod denoiser;
mod embedding;
mod error;
mod layers;
pub mod mlp;
mod noise_levels;
mod noised_batch;
mod parameters;
mod perturbed;
pub mod pixels;
mod score;
pub mod targets;
pub mod tensor_file;
pub mod unet;

pub use denoiser::{Denoiser, NetworkDenoiser, Prediction};
pub use error::NetsError;
pub use mlp::{Mlp, MlpConfig, MlpOutput};
pub use noise_levels::NoiseLevels;
pub use noised_batch::{NetworkInput, NoisedBatch, along_rows, noised, normal_rows, per_row};
pub use parameters::Parameters;
pub use perturbed::Perturbed;
pub use score::{EpsilonScore, ScoreDenoiser, ScoreNetwork};
pub use unet::{UNet, UNetConfig};
