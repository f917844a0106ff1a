//! The exponential integrator of the reverse SDE: exact but for the score, which is frozen over the step.
//!
//! With r = alpha_s/alpha_t and the relative variance k = sigma^2/alpha^2, dk = g^2/alpha^2 dt:
//!
//! ```text
//! x_s = r x_t + (alpha_s integral of alpha dk from s to t) score + sqrt(alpha_s^2 (k_t - k_s)) z
//! ```
//!
//! The integral is closed for every scale: VP 2 (1/alpha_t - 1/alpha_s), so that the weight is 2 (r - 1) = 2 (e^{dB} - 1) in
//! Pierret & Galerne's notation; VE k_t - k_s; sub-VP 2 (1/alpha_t - 1/alpha_s) + 2/3 (alpha_t^3 - alpha_s^3).

use super::algebra::{StepBuilder, score};
use super::step::Step;
use crate::{Level, Posterior, Scale};

/// One step between two levels of a process with this scale.
pub fn exponential_integrator(t: &Level, s: &Level, scale: Scale) -> Step {
    let growth = s.alpha() / t.alpha();
    // alpha_s^2 (k_t - k_s) = r^2 beta: the transition variance seen from s.
    let variance = growth * growth * Posterior::between(t, s).transition_variance;
    let of_score = match scale {
        Scale::VariancePreserving => 2.0 * (growth - 1.0),
        Scale::VarianceExploding => variance,
        Scale::SubVariancePreserving => {
            2.0 * (growth - 1.0) + 2.0 / 3.0 * s.alpha() * (t.alpha().powi(3) - s.alpha().powi(3))
        }
    };
    let mut step = StepBuilder::new(t, s);
    let x = step.x();
    let d = step.denoise(t, &x);
    let output = growth * &x + of_score * score(t, &x, &d) + variance.sqrt() * step.z();
    step.finish(output)
}
