//! Variance-exploding schedules given by their noise standard deviations: x_t = x_0 + sigma_t eps.

use super::discrete_schedule::Schedule;
use crate::{CoreError, Scale};

impl Schedule {
    /// A VE schedule from its sigmas: positive and rising.
    pub fn from_sigmas(sigmas: &[f64]) -> Result<Self, CoreError> {
        let mut previous = 0.0;
        for (index, &value) in sigmas.iter().enumerate() {
            if !(value > previous && value.is_finite()) {
                let expected = "positive, finite and above the one before";
                return Err(CoreError::Entry { name: "sigmas", index, expected, got: value });
            }
            previous = value;
        }
        Self::from_log_snr(Scale::VarianceExploding, sigmas.iter().map(|sigma| -2.0 * sigma.ln()).collect())
    }

    /// A geometric sequence from `sigma_min` to `sigma_max` (Song & Ermon 2019; the VE schedule of Song et al. 2021).
    pub fn geometric(sigma_min: f64, sigma_max: f64, steps: usize) -> Result<Self, CoreError> {
        check_range(sigma_min, sigma_max)?;
        let ratio = (sigma_max / sigma_min).ln();
        Self::from_sigmas(&fractions(steps).map(|u| sigma_min * (u * ratio).exp()).collect::<Vec<_>>())
    }

    /// sigma^(1/rho) evenly spaced between `sigma_min` and `sigma_max` (Karras et al. 2022, eq. 5).
    pub fn karras(sigma_min: f64, sigma_max: f64, rho: f64, steps: usize) -> Result<Self, CoreError> {
        check_range(sigma_min, sigma_max)?;
        CoreError::check("rho", "positive", rho, rho > 0.0 && rho.is_finite())?;
        Self::from_sigmas(
            &fractions(steps).map(|u| karras_sigma(sigma_min, sigma_max, rho, u)).collect::<Vec<_>>(),
        )
    }
}

/// The sigma at fraction `u` of the way from `sigma_min` to `sigma_max`, evenly in sigma^(1/rho).
pub(crate) fn karras_sigma(sigma_min: f64, sigma_max: f64, rho: f64, u: f64) -> f64 {
    let (low, high) = (sigma_min.powf(1.0 / rho), sigma_max.powf(1.0 / rho));
    (low + u * (high - low)).powf(rho)
}

/// `steps` fractions from 0 to 1, both included; a single level is the one of the most noise.
fn fractions(steps: usize) -> impl Iterator<Item = f64> {
    let last = steps.saturating_sub(1) as f64;
    (0..steps).map(move |i| if last == 0.0 { 1.0 } else { i as f64 / last })
}

fn check_range(sigma_min: f64, sigma_max: f64) -> Result<(), CoreError> {
    CoreError::check("sigma_min", "positive", sigma_min, sigma_min > 0.0)?;
    CoreError::check(
        "sigma_max",
        "finite and above sigma_min",
        sigma_max,
        sigma_max > sigma_min && sigma_max.is_finite(),
    )?;
    Ok(())
}
