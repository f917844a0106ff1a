//! The transition q(x_t | x_s) between two levels and the posterior q(x_s | x_t, x_0), s less noisy than t.
//!
//! With snr = alpha^2/sigma^2 (Kingma et al. 2021, appendix A; for neighbouring levels of a VP chain these are Ho et al. 2020, eq. 6-7):
//!
//! ```text
//! q(x_t | x_s)      = N( (alpha_t/alpha_s) x_s , beta I )        beta = sigma_t^2 (1 - snr_t/snr_s)
//! q(x_s | x_t, x_0) = N( a x_t + b x_0 , post I )                post = sigma_s^2 (1 - snr_t/snr_s)
//!     a = (alpha_t/alpha_s) sigma_s^2/sigma_t^2                  b = alpha_s (1 - snr_t/snr_s)
//! ```
//!
//! `b` is the weight that the error decomposition calls c_t.

use crate::Level;

/// The Gaussian q(x_s | x_t, x_0) and the transition that it inverts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Posterior {
    /// Weight of x_t in the mean (`a`).
    pub of_x_t: f64,
    /// Weight of x_0 in the mean (`b`).
    pub of_x0: f64,
    /// Variance of x_s given x_t and x_0 ("fixed small"). Zero when s is data.
    pub variance: f64,
    /// Variance of x_t given x_s ("fixed large"); beta_t on a VP chain.
    pub transition_variance: f64,
    /// Scale alpha_t / alpha_s of the transition.
    pub transition_scale: f64,
    /// 1 - snr_t / snr_s.
    lost: f64,
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
            lost,
        }
    }

    /// 1 - snr_t / snr_s: the share of the signal-to-noise ratio that the step from s to t loses.
    pub fn snr_fraction_lost(&self) -> f64 {
        self.lost
    }
}

/// 1 - snr_t / snr_s, without cancellation for neighbouring levels.
fn snr_fraction_lost(t: &Level, s: &Level) -> f64 {
    if s.is_clean() || t.log_snr() == f64::NEG_INFINITY { 1.0 } else { -(t.log_snr() - s.log_snr()).exp_m1() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Time;
    use proptest::prelude::*;

    /// Bayes' rule in one dimension from the joint precision of (x_s | x_0) and (x_t | x_s), written without any of the formulas above.
    fn bayes(t: &Level, s: &Level) -> (f64, f64, f64) {
        let scale = t.alpha() / s.alpha();
        let transition = t.sigma().powi(2) - (scale * s.sigma()).powi(2);
        let precision = 1.0 / s.sigma().powi(2) + scale * scale / transition;
        (scale / transition / precision, s.alpha() / s.sigma().powi(2) / precision, 1.0 / precision)
    }

    proptest! {
        #[test]
        fn the_posterior_is_bayes_rule(low in -8.0..7.0f64, gap in 0.05..6.0f64, x_t in -3.0..3.0f64, eps in -3.0..3.0f64) {
            for level in [Level::variance_preserving, Level::variance_exploding] {
                let (t, s) = (level(low, Time::Clean), level(low + gap, Time::Clean));
                let p = Posterior::between(&t, &s);
                let (of_x_t, of_x0, variance) = bayes(&t, &s);
                prop_assert!((p.of_x_t / of_x_t - 1.0).abs() < 1e-10);
                prop_assert!((p.of_x0 / of_x0 - 1.0).abs() < 1e-10);
                prop_assert!((p.variance / variance - 1.0).abs() < 1e-10);
                let x0 = (x_t - t.sigma() * eps) / t.alpha();
                // The same mean as c x_t + d eps (Ho et al. 2020, eq. 11).
                let c = s.alpha() / t.alpha();
                let d = -c * t.sigma() * p.snr_fraction_lost();
                let (a, b) = (p.of_x_t * x_t + p.of_x0 * x0, c * x_t + d * eps);
                prop_assert!((a - b).abs() < 1e-11 * (1.0 + x0.abs()));
            }
        }

        #[test]
        fn noising_in_two_steps_is_noising_in_one(low in -8.0..8.0f64, gap in 0.0..6.0f64) {
            let (t, s) = (Level::variance_preserving(low, Time::Clean), Level::variance_preserving(low + gap, Time::Clean));
            let p = Posterior::between(&t, &s);
            prop_assert!((p.transition_scale * s.alpha() / t.alpha() - 1.0).abs() < 1e-13);
            let variance = (p.transition_scale * s.sigma()).powi(2) + p.transition_variance;
            prop_assert!((variance / t.sigma().powi(2) - 1.0).abs() < 1e-12);
        }
    }
}
