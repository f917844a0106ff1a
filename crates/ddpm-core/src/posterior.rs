//! The transition q(x_t | x_s) between two levels and the posterior q(x_s | x_t, x_0), s less noisy than t.
//!
//! With lambda = log-SNR (Kingma et al. 2021, appendix A; for neighbouring levels of a VP chain these are Ho et al. 2020, eq. 6-7):
//!
//! ```text
//! q(x_t | x_s)      = N( (alpha_t/alpha_s) x_s , beta I )        beta = sigma_t^2 (1 - snr_t/snr_s)
//! q(x_s | x_t, x_0) = N( a x_t + c x_0 , post I )                post = sigma_s^2 (1 - snr_t/snr_s)
//!     a = (alpha_t/alpha_s) sigma_s^2/sigma_t^2                  c = alpha_s (1 - snr_t/snr_s)
//! ```

use crate::Level;

/// The Gaussian q(x_s | x_t, x_0) and the transition that it inverts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Posterior {
    /// Weight of x_t in the mean.
    pub of_x_t: f64,
    /// Weight of x_0 in the mean: `c_t` of the error decomposition.
    pub of_x0: f64,
    /// Variance of x_s given x_t and x_0 ("fixed small"). Zero when s is data.
    pub variance: f64,
    /// Variance of x_t given x_s ("fixed large"); beta_t on a VP chain.
    pub transition_variance: f64,
    /// Scale alpha_t / alpha_s of the transition.
    pub transition_scale: f64,
}

impl Posterior {
    /// The posterior of `s` given `t` and x_0. `s` must be less noisy than `t`; `s` may be [`Level::CLEAN`].
    pub fn between(t: &Level, s: &Level) -> Self {
        let lost = snr_fraction_lost(t, s);
        let transition_scale = t.alpha() / s.alpha();
        let noise_ratio = s.sigma() / t.sigma();
        Posterior {
            of_x_t: transition_scale * noise_ratio * noise_ratio,
            of_x0: s.alpha() * lost,
            variance: s.sigma() * s.sigma() * lost,
            transition_variance: t.sigma() * t.sigma() * lost,
            transition_scale,
        }
    }
}

/// 1 - snr_t / snr_s, without cancellation for neighbouring levels.
fn snr_fraction_lost(t: &Level, s: &Level) -> f64 {
    if s.is_clean() || t.log_snr() == f64::NEG_INFINITY { 1.0 } else { -(t.log_snr() - s.log_snr()).exp_m1() }
}

/// The variance of an ancestral sampler's step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variance {
    /// The posterior variance: optimal if the data were one point (Ho et al. 2020, sec. 3.2).
    FixedSmall,
    /// The transition variance beta: optimal if the data were N(0, I).
    FixedLarge,
}

impl Variance {
    /// The step's variance in every component.
    pub fn of(self, posterior: &Posterior) -> f64 {
        match self {
            Variance::FixedSmall => posterior.variance,
            Variance::FixedLarge => posterior.transition_variance,
        }
    }
}
