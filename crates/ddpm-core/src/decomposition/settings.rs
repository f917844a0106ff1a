//! Settings of a decomposition: the variance of the steps, a perturbation of the denoiser, and the effort of Monte Carlo.

use crate::Variance;

/// The sampler's variance, the denoiser's error and the effort.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The variance of the steps; `analytic` uses the target's own mmse.
    pub variance: Variance,
    /// A constant added to every component of the ideal denoiser.
    pub perturbation: f64,
    /// Monte Carlo settings, for targets without closed form or quadrature.
    pub monte_carlo: MonteCarlo,
}

impl Settings {
    /// The ideal denoiser with this variance.
    pub fn new(variance: Variance) -> Self {
        Settings { variance, perturbation: 0.0, monte_carlo: MonteCarlo::default() }
    }
}

/// Number of noising paths, their seed, and the resolution of the integral over levels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MonteCarlo {
    /// Number of paths.
    pub images: usize,
    /// Seed of the paths.
    pub seed: u64,
    /// Greatest width in log-SNR of a panel of the integral of mmse.
    pub panel: f64,
}

impl Default for MonteCarlo {
    fn default() -> Self {
        MonteCarlo { images: 1000, seed: 0, panel: 0.125 }
    }
}
