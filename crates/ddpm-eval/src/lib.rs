//! Evaluation: how well a model denoises at each noise level, the classical error terms, the error decomposition.
//! Results are types of [`ddpm_report`], which shows them.
//!
//! - [`denoising`]: E|x_0 - D(x_t)|^2 at every level with image-level confidence intervals, on held-out and on training images.
//! - [`classical`]: the initialization, training and discretization terms of a model on a data set.
//! - [`decomposition`]: how much of a trained network's error is initialization, discretization and training, by every floor.
//! - [`sampled_w2`]: W2 between a sampler's samples and a closed-form target, with one error on at a time.
//! - [`target_study`]: everything that the decomposition page of a closed-form target shows.
//! - [`score`]: a learned score against the exact one of a closed-form target.
//!
//! This crate sees [`ddpm_nets::Denoiser`]s and images; it knows nothing of training loops or command lines.
#![deny(missing_docs)]

pub mod classical;
mod config;
pub mod decomposition;
pub mod denoising;
mod error;
pub mod estimate;
pub mod sampled_w2;
pub mod score;
mod spectrum;
pub mod target_study;

pub use config::EvalConfig;
pub use error::EvalError;
pub use estimate::{Difference, Estimate};
pub use spectrum::Spectrum;
