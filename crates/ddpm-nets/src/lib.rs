//! Denoisers on tensors: the U-Net, what every denoiser has in common, and checkpoints in diffusers' layout.
//!
//! This crate knows nothing of data sets, objectives, samplers or command lines. A model is something that can be called: samplers and
//! evaluators see [`Denoiser`] alone.
#![deny(missing_docs)]

pub mod checkpoint;
mod denoiser;
mod embedding;
mod error;
mod layers;
mod parameters;
pub mod pixels;
pub mod targets;
pub mod tensor_file;
pub mod unet;

pub use denoiser::{Denoiser, NetworkDenoiser, Prediction};
pub use error::NetsError;
pub use parameters::Parameters;
pub use unet::{UNet, UNetConfig};
