//! Variance-preserving schedules given by their betas: alpha_bar_t = prod_{i<=t} (1 - beta_i).

use super::discrete_schedule::Schedule;
use crate::level::log_snr_of_log_alpha_bar;
use crate::{CoreError, Scale};

/// Betas of the cosine schedule are clipped here (Nichol & Dhariwal 2021, sec. 3.2).
const COSINE_MAX_BETA: f64 = 0.999;

impl Schedule {
    /// A VP schedule from its betas, each in (0, 1); only the last may be 1 (no signal left).
    pub fn from_betas(betas: &[f64]) -> Result<Self, CoreError> {
        let mut log_alpha_bar = 0.0;
        let mut log_snr = Vec::with_capacity(betas.len());
        for (index, &beta) in betas.iter().enumerate() {
            let no_signal = beta == 1.0 && index + 1 == betas.len();
            if !(beta > 0.0 && beta < 1.0 || no_signal) {
                return Err(CoreError::Entry {
                    name: "betas",
                    index,
                    expected: "between 0 and 1",
                    got: beta,
                });
            }
            log_alpha_bar += (-beta).ln_1p();
            log_snr.push(log_snr_of_log_alpha_bar(log_alpha_bar));
        }
        Self::from_log_snr(Scale::VariancePreserving, log_snr)
    }

    /// Ho et al.'s betas rescaled to T steps: evenly spaced from 0.1/T to 20/T (T = 1000: 1e-4 to 0.02).
    pub fn linear(steps: usize) -> Result<Self, CoreError> {
        let (start, end) = rescaled(steps, 1e-4, 0.02);
        Self::linear_between(start, end, steps)
    }

    /// Betas evenly spaced from `beta_start` to `beta_end`, both included (Ho et al. 2020).
    pub fn linear_between(beta_start: f64, beta_end: f64, steps: usize) -> Result<Self, CoreError> {
        Self::from_betas(&spaced(beta_start, beta_end, steps, |x| x))
    }

    /// Betas whose square roots are evenly spaced (Rombach et al. 2022; "scaled_linear" in diffusers).
    pub fn scaled_linear(beta_start: f64, beta_end: f64, steps: usize) -> Result<Self, CoreError> {
        Self::from_betas(&spaced(beta_start.sqrt(), beta_end.sqrt(), steps, |root| root * root))
    }

    /// Betas along a logistic curve from -6 to 6 (Xu et al. 2022; "sigmoid" in diffusers).
    pub fn sigmoid(beta_start: f64, beta_end: f64, steps: usize) -> Result<Self, CoreError> {
        let logistic = |x: f64| beta_start + (beta_end - beta_start) / (1.0 + (-x).exp());
        Self::from_betas(&spaced(-6.0, 6.0, steps, logistic))
    }

    /// One beta for all steps.
    pub fn constant(beta: f64, steps: usize) -> Result<Self, CoreError> {
        Self::from_betas(&vec![beta; steps])
    }

    /// The cosine schedule: alpha_bar(u) = cos^2(pi/2 (u + 0.008)/1.008), beta_i = 1 - alpha_bar((i+1)/T)/alpha_bar(i/T) clipped at 0.999
    /// (Nichol & Dhariwal 2021, eq. 17).
    pub fn cosine(steps: usize) -> Result<Self, CoreError> {
        let alpha_bar = |u: f64| ((u + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
        let t = steps as f64;
        let betas: Vec<f64> = (0..steps)
            .map(|i| (1.0 - alpha_bar((i as f64 + 1.0) / t) / alpha_bar(i as f64 / t)).min(COSINE_MAX_BETA))
            .collect();
        Self::from_betas(&betas)
    }
}

/// Betas chosen for 1000 steps, rescaled so that T steps add the same total noise.
pub(super) fn rescaled(steps: usize, beta_start: f64, beta_end: f64) -> (f64, f64) {
    let factor = 1000.0 / steps as f64;
    (factor * beta_start, factor * beta_end)
}

/// `map` over `steps` evenly spaced values from `start` to `end`, both included.
fn spaced(start: f64, end: f64, steps: usize, map: impl Fn(f64) -> f64) -> Vec<f64> {
    let last = steps.saturating_sub(1).max(1) as f64;
    (0..steps).map(|i| map(start + (end - start) * i as f64 / last)).collect()
}
