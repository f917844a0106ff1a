//! The samplers, each with its options.

use super::edm::Churn;
use crate::Variance;
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

/// A sampler with its options.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, IntoStaticStr)]
#[serde(tag = "sampler", rename_all = "kebab-case", deny_unknown_fields)]
#[strum(serialize_all = "kebab-case")]
pub enum Scheme {
    /// Ancestral sampling from the posterior between visited levels (Ho et al. 2020).
    Ddpm {
        /// The variance of each step.
        variance: Variance,
    },
    /// Ancestral sampling of a continuous process, its rate frozen over each step (Song et al. 2021, appendix E).
    DdpmRate,
    /// DDIM (Song, Meng & Ermon 2021).
    Ddim {
        /// 0 deterministic, 1 ancestral.
        eta: f64,
        /// Whether eps is recomputed from the thresholded x_0; the network's own eps otherwise. The same without thresholding.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        use_clipped_model_output: bool,
    },
    /// Euler-Maruyama on the reverse SDE.
    Em,
    /// Exponential integrator on the reverse SDE.
    Ei,
    /// Euler on the probability-flow ODE.
    OdeEuler,
    /// Heun on the probability-flow ODE.
    OdeHeun,
    /// The classical fourth-order method on the probability-flow ODE.
    OdeRk4,
    /// Dormand & Prince's 5(4) pair on the probability-flow ODE; adaptive where the caller controls the step.
    OdeRk45,
    /// Karras et al.'s stochastic Heun sampler.
    Edm {
        /// Noise added back in each step.
        churn: Churn,
    },
    /// DPM-Solver++ 2M.
    #[serde(rename = "dpmpp-2m")]
    #[strum(serialize = "dpmpp-2m")]
    Dpmpp2m,
    /// DPM-Solver++ 2M on the SDE.
    #[serde(rename = "dpmpp-2m-sde")]
    #[strum(serialize = "dpmpp-2m-sde")]
    Dpmpp2mSde,
    /// DPM-Solver++ 3M.
    #[serde(rename = "dpmpp-3m")]
    #[strum(serialize = "dpmpp-3m")]
    Dpmpp3m,
    /// DPM-Solver++ 3M on the SDE.
    #[serde(rename = "dpmpp-3m-sde")]
    #[strum(serialize = "dpmpp-3m-sde")]
    Dpmpp3mSde,
    /// UniPC of order 2.
    Unipc,
    /// An ancestral predictor followed by Langevin correctors at each level (Song et al. 2021).
    PredictorCorrector {
        /// Signal-to-noise ratio r of the corrector's step.
        signal_to_noise: f64,
        /// Corrector steps at each level.
        corrections: usize,
    },
    /// Unadjusted Langevin dynamics at the first level alone.
    Langevin {
        /// Step size in units of sigma^2 of the level.
        relative_step: f64,
        /// Number of steps.
        steps: usize,
    },
    /// Langevin dynamics at every level in turn (Song & Ermon 2019).
    AnnealedLangevin {
        /// The authors' epsilon, twice the step size at the least noisy level sigma_L; without it 0.2 sigma_L^2, their 2e-5 at sigma_L = 0.01.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epsilon: Option<f64>,
        /// Steps at each level.
        steps: usize,
        /// One step size at all levels, x + (epsilon/2) score + sqrt(epsilon) z, as Langevin dynamics is usually written. Otherwise the authors' rule:
        /// epsilon times sigma_i^2/sigma_L^2.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        constant_step: bool,
    },
}

impl Scheme {
    /// DDIM with the network's own eps.
    pub const fn ddim(eta: f64) -> Scheme {
        Scheme::Ddim { eta, use_clipped_model_output: false }
    }

    /// The sampler as the literature runs it along a continuous process: `ddpm` with the transition variance freezes the process's rate
    /// over each step there, the others are the same.
    pub fn on_process(self) -> Scheme {
        match self {
            Scheme::Ddpm { variance: Variance::FixedLarge } => Scheme::DdpmRate,
            other => other,
        }
    }

    /// The name on the command line.
    pub fn name(&self) -> &'static str {
        self.into()
    }
}
