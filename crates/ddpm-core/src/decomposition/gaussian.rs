//! Closed forms for Gaussian targets, per eigenvalue l of the covariance:
//!
//! ```text
//! mmse = sum l/(1 + l snr)      I_s - I_t = 1/2 sum log((1 + l snr_s)/(1 + l snr_t))
//! init = 1/2 (alpha_T^2 |m|^2 + sum (S - 1 - log S)),  S = alpha_T^2 l + sigma_T^2  (over the prior's variance)
//! ```

use super::step::excess;
use crate::Level;
use crate::targets::Gaussian;

/// KL(q_T || N(0, prior)). With the moments of data of any law this is the lower end of the bracket for its initialization term: no law with
/// those moments is nearer to a Gaussian.
pub fn gaussian_initialization(mean_squared: f64, eigenvalues: &[f64], start: &Level) -> f64 {
    let prior = start.prior_std().powi(2);
    let share = start.alpha_bar() / prior;
    // S/prior - 1 = share (l - 1) without cancellation.
    0.5 * (share * mean_squared + eigenvalues.iter().map(|l| excess(share * (l - 1.0))).sum::<f64>())
}

/// I_s - I_t of a step.
pub(super) fn information_gain(law: &Gaussian, t: &Level, s: &Level) -> f64 {
    let (high, low) = (t.snr(), s.snr());
    let gain = |l: f64| (l * (low - high) / (1.0 + l * high)).ln_1p();
    0.5 * (0..law.dim()).map(|i| gain(law.covariance().eigenvalue(i))).sum::<f64>()
}
