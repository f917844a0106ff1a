//! The exact law of a sampler's output on a Gaussian target.
//!
//! On N(m, C) the denoiser is affine along each eigenvector of C, and a linear sampler's steps ([`crate::scheme`]) are linear combinations:
//! the samples are Gaussian, and their mean and variance along each eigenvector follow from a recursion (Pierret & Galerne 2025, for the
//! schemes without memory). Every quantity in play is carried as
//!
//! ```text
//! gain x_T + offset + noise        with the covariance of the noises, so that methods with memory are exact too
//! ```
//!
//! so one pass serves every start: x_T ~ N(mean, v) gives N(gain mean + offset, gain^2 v + variance).

mod gaussian_denoiser;
mod transfer;
mod wasserstein;

pub use gaussian_denoiser::{GaussianDenoiser, Start, sample_law};
pub use transfer::{Affine, Moments, Transfer, transfer};
pub use wasserstein::{W2Errors, continuous_law, w2, w2_errors, w2_to_end};
