//! The three classical error terms of a trained model on a data set, with their curves.

use super::format::Format;
use ddpm_core::classical::ClassicalTerms;
use ddpm_core::interval::Estimate;
use ddpm_data::Split;
use serde::{Deserialize, Serialize};

/// The classical terms, how they were estimated, and their curves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassicalReport {
    /// Version of the format.
    #[serde(default)]
    pub format: Format<1>,
    /// The terms themselves.
    pub terms: ClassicalTerms,
    /// The images that the training term is measured on.
    pub split: Split,
    /// The training term with its standard error.
    pub training: Estimate,
    /// Length of the mean image, in the units of the initialization term: what remains of it at infinite noise.
    pub mean_norm: f64,
    /// Images behind the moments from which the initialization term follows.
    pub moments_of: u64,
    /// The visited levels, the noisiest first.
    pub levels: Vec<ClassicalLevel>,
    /// The error of the empirical (memorizing) denoiser on its training images at the measured levels, the noisiest first; empty if it was not
    /// measured.
    #[serde(default)]
    pub floor: Vec<FloorLevel>,
}

/// The irreducible error at one level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FloorLevel {
    /// The training timestep, counted from 1; absent for continuous processes.
    pub t: Option<u32>,
    /// Signal-to-noise ratio.
    pub snr: f64,
    /// E|x_0 - D_emp(x_t)|^2, summed over the components.
    pub mse: f64,
    /// Standard error of `mse` over images.
    pub stderr: f64,
}

/// What the classical terms say of one visited level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassicalLevel {
    /// The training timestep, counted from 1; absent for continuous processes.
    pub t: Option<u32>,
    /// Signal-to-noise ratio.
    pub snr: f64,
    /// The discretization term 1 - sigma_s^2/sigma_t^2 of the step from here to the next level; absent at the last.
    pub discretization_ratio: Option<f64>,
    /// The error of the best linear denoiser: a network with a smaller error has learned more than mean and covariance.
    pub linear_mse: f64,
}
