//! Networks, denoisers and checkpoints on tensors.
//!
//! - networks: [`unet`] (U-Net and classifier of noised images), [`mlp`] (scores of vectors), [`Parameters`] (ordered, named weights)
//! - denoisers: [`Denoiser`] is the one trait that samplers and evaluators see. A trained network ([`NetworkDenoiser`], [`ScoreDenoiser`]), a
//!   law in closed form ([`targets`]) and a perturbed denoiser ([`Perturbed`]) implement it
//! - noised data: [`NoisedBatch`], [`normal_rows`], [`noised`]
//! - the variational bound of a batch: [`mod@bound`]
//! - files: [`checkpoint`] (diffusers pipeline directories), [`tensor_file`] (safetensors)
//!
//! This crate knows nothing of data sets, objectives, samplers or command lines.
#![deny(missing_docs)]

pub mod autograd;
pub mod bound;
pub mod checkpoint;
mod denoiser;
mod embedding;
mod error;
mod forward;
mod layers;
pub mod mlp;
mod noise_levels;
mod noised_batch;
mod parameters;
mod perturbed;
pub mod pixels;
mod scaled_epsilon;
mod score;
pub mod targets;
pub mod tensor_file;
mod threshold;
pub mod unet;

pub use denoiser::{Denoiser, NetworkDenoiser, Prediction};
pub use error::NetsError;
pub use forward::{noised_at_once, noised_in_steps};
pub use mlp::{Mlp, MlpConfig, MlpOutput};
pub use noise_levels::NoiseLevels;
pub use noised_batch::{NetworkInput, NoisedBatch, along_rows, noised, normal_rows, per_row};
pub use parameters::Parameters;
pub use perturbed::Perturbed;
pub use scaled_epsilon::ScaledEpsilon;
pub use score::{ScoreDenoiser, ScoreNetwork};
pub use threshold::Threshold;
pub use unet::{LayerCost, UNet, UNetConfig};
