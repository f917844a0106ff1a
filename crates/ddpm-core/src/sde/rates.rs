//! Drift and diffusion of a process, and of its reversals.

use super::process::Process;
use crate::{CoreError, Scale};

/// The rates of dx = drift x dt + g dW at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// f(t), per unit of time.
    pub drift: f64,
    /// g(t)^2, variance per unit of time.
    pub diffusion_squared: f64,
}

/// The right-hand side `of_x x + of_score score` of a reversal, with the noise's g (0 for the ODE).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DriftCoefficients {
    /// Weight of x.
    pub of_x: f64,
    /// Weight of the score.
    pub of_score: f64,
    /// g(t) of the Wiener term.
    pub diffusion: f64,
}

impl Rates {
    /// The SDE that runs the process backwards (Anderson 1982).
    pub fn reverse_sde(&self) -> DriftCoefficients {
        DriftCoefficients {
            of_x: self.drift,
            of_score: -self.diffusion_squared,
            diffusion: self.diffusion_squared.sqrt(),
        }
    }

    /// The ODE with the same marginals (Song et al. 2021, eq. 13).
    pub fn probability_flow(&self) -> DriftCoefficients {
        DriftCoefficients { of_x: self.drift, of_score: -0.5 * self.diffusion_squared, diffusion: 0.0 }
    }
}

impl Process {
    /// Drift and diffusion at time `t`.
    pub fn rates(&self, t: f64) -> Result<Rates, CoreError> {
        let level = self.level(t)?;
        Ok(match self {
            Process::VariancePreserving { beta_min, beta_max } => {
                let beta = beta_min + t * (beta_max - beta_min);
                Rates { drift: -0.5 * beta, diffusion_squared: beta }
            }
            Process::SubVariancePreserving { beta_min, beta_max } => {
                let beta = beta_min + t * (beta_max - beta_min);
                let rest = -(-2.0 * self.integrated_beta(t)).exp_m1();
                Rates { drift: -0.5 * beta, diffusion_squared: beta * rest }
            }
            Process::OrnsteinUhlenbeck { .. } => Rates { drift: -0.5, diffusion_squared: 1.0 },
            Process::VarianceExploding { sigma_min, sigma_max } => Rates {
                drift: 0.0,
                diffusion_squared: 2.0 * (sigma_max / sigma_min).ln() * level.sigma() * level.sigma(),
            },
            Process::Edm { .. } => Rates { drift: 0.0, diffusion_squared: 2.0 * t },
            Process::Discrete(interpolated) => {
                let slope = interpolated.log_snr.slope(t);
                let diffusion_squared = -level.sigma() * level.sigma() * slope;
                let drift = match interpolated.scale {
                    Scale::VariancePreserving => -0.5 * diffusion_squared,
                    Scale::VarianceExploding => 0.0,
                    // alpha = e^{-B/2}: d log snr/dt = -B' (1 + alpha^2)/(1 - alpha^2), and the drift is -B'/2.
                    Scale::SubVariancePreserving => {
                        0.5 * slope * (1.0 - level.alpha_bar()) / (1.0 + level.alpha_bar())
                    }
                };
                Rates { drift, diffusion_squared }
            }
        })
    }
}
