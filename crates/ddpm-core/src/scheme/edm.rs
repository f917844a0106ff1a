//! Karras et al.'s (2022) stochastic sampler, algorithm 2: churn, then Heun's method in sigma/alpha.
//!
//! In the variance-exploding view y = x/alpha, with k = sigma/alpha:
//!
//! ```text
//! raise    k' = (1 + gamma) k_t          y' = y + S_noise sqrt(k'^2 - k_t^2) z
//! Euler    e  = y' + (k_s - k') (y' - D(y', k'))/k'
//! Heun     y_s = y' + (k_s - k')/2 [ (y' - D(y', k'))/k' + (e - D(e, k_s))/k_s ]        unless k_s = 0
//! gamma    = min(S_churn/N, sqrt 2 - 1) where S_tmin <= k_t <= S_tmax, else 0
//! ```

use super::algebra::StepBuilder;
use super::step::Step;
use crate::{CoreError, Level};
use serde::{Deserialize, Serialize};

/// How much noise is added back in each step; the default is none, which makes the sampler a deterministic Heun method.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Churn {
    /// Total amount, S_churn.
    pub amount: f64,
    /// Least sigma/alpha at which noise is added, S_tmin.
    pub min: f64,
    /// Greatest sigma/alpha at which noise is added, S_tmax.
    pub max: f64,
    /// Standard deviation of the added noise, S_noise.
    pub noise: f64,
}

impl Default for Churn {
    fn default() -> Self {
        Churn::NONE
    }
}

impl Churn {
    /// No churn: the deterministic sampler.
    pub const NONE: Churn = Churn { amount: 0.0, min: 0.0, max: f64::MAX, noise: 1.0 };

    /// Checks the amounts.
    pub(super) fn check(&self) -> Result<(), CoreError> {
        let amount = self.amount;
        CoreError::check(
            "churn amount",
            "finite and not negative",
            amount,
            amount >= 0.0 && amount.is_finite(),
        )?;
        let noise = self.noise;
        CoreError::check("churn noise", "finite and not negative", noise, noise >= 0.0 && noise.is_finite())?;
        Ok(())
    }

    /// gamma of a step from sigma/alpha = `k` in a run of `steps`.
    pub fn gamma(&self, k: f64, steps: usize) -> f64 {
        let inside = (self.min..=self.max).contains(&k);
        if inside { (self.amount / steps as f64).min(std::f64::consts::SQRT_2 - 1.0) } else { 0.0 }
    }
}

/// One step from t to s. `raised` is the level after churn: t itself where gamma is 0. States meet the denoiser multiplied by alpha.
pub fn edm(t: &Level, raised: &Level, s: &Level, noise: f64) -> Step {
    let (k_t, k_up, k_s) = (t.relative_sigma(), raised.relative_sigma(), s.relative_sigma());
    let added = noise * ((k_up - k_t) * (k_up + k_t)).max(0.0).sqrt();
    let mut step = StepBuilder::new(t, s);
    let y = step.x() / t.alpha() + added * step.z();
    let d = step.denoise(raised, &(raised.alpha() * &y));
    let slope = (&y - d) / k_up;
    let euler = &y + (k_s - k_up) * &slope;
    if s.is_clean() {
        return step.finish(s.alpha() * euler);
    }
    let d = step.denoise(s, &(s.alpha() * &euler));
    let slope_after = (euler - d) / k_s;
    let half = 0.5 * (k_s - k_up);
    step.finish(s.alpha() * (y + half * slope + half * slope_after))
}
