//! The variational bound of a trained network and what is left of it with infinitely many steps (Ho et al. 2020, sec. 2-3.3).
//!
//! ```text
//! VLB = L_T + sum_t L_{t-1} + L_0          L_T = E KL(q(x_T | x_0) || N(0, I))
//! L_0 = -log P(x_0's grey level), under N(D(x_1), post I) at the second-lowest visited level, in bins of half-width 1/(K - 1)
//! VLB_infinity = L_T + 1/2 integral of mse over [snr_T, snr_1] + L_0
//! ```
//!
//! VLB - VLB_infinity is what infinitely many steps would change for *this* model, with a sign: it is not the discretization error.

use super::curve::step_bounds;
use super::step::ReverseStep;
use crate::{CoreError, Level, Posterior};
use libm::erfc;
use std::f64::consts::SQRT_2;

/// The parts of the bound, in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VariationalBound {
    /// L_T.
    pub prior: f64,
    /// sum_t L_{t-1}.
    pub denoising: f64,
    /// L_0.
    pub decoder: f64,
}

impl VariationalBound {
    /// From the second moment `E|x_0|^2`, the model's error by visited level, and the decoder's mean code length.
    pub fn new(
        steps: &[ReverseStep],
        dim: usize,
        second_moment: f64,
        mse: &[f64],
        decoder: f64,
    ) -> Result<Self, CoreError> {
        let start = steps
            .first()
            .map(|step| step.t)
            .ok_or_else(|| CoreError::Unsupported("a bound needs at least two visited levels".into()))?;
        Ok(VariationalBound {
            prior: prior_divergence(second_moment, dim, &start),
            denoising: step_bounds(steps, dim, mse)?.iter().sum(),
            decoder,
        })
    }

    /// The bound on -log p(x_0), in nats.
    pub fn nats(&self) -> f64 {
        self.prior + self.denoising + self.decoder
    }
}

/// L_T = E KL(q(x_T | x_0) || N(0, I)): also the upper end of the bracket for the initialization term.
pub fn prior_divergence(second_moment: f64, dim: usize, start: &Level) -> f64 {
    let prior = start.prior_std().powi(2);
    // sigma^2/prior = 1 - alpha^2/prior.
    let share = start.alpha_bar() / prior;
    0.5 * (share * second_moment + dim as f64 * super::step::excess(-share))
}

/// The variance of the decoder step: the posterior's at the second-lowest visited level (Ho et al.'s choice for both fixed variances).
///
/// `visited` runs from the noisiest level to the lowest. With a single level it is the transition variance to data.
pub fn decoder_variance(visited: &[Level]) -> Result<f64, CoreError> {
    match visited {
        [.., before, lowest] => Ok(Posterior::between(before, lowest).variance),
        [only] => Ok(Posterior::between(only, &Level::CLEAN).transition_variance),
        [] => Err(CoreError::OutOfRange { name: "visited levels", expected: "at least 1", got: 0.0 }),
    }
}

/// The discretized Gaussian decoder over K grey levels in [-1, 1] (Ho et al. 2020, eq. 13).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decoder {
    half_width: f64,
    std: f64,
}

impl Decoder {
    /// For `grey_levels` values evenly spaced in [-1, 1] and a variance.
    pub fn new(grey_levels: usize, variance: f64) -> Result<Self, CoreError> {
        CoreError::check("grey levels", "at least 2", grey_levels as f64, grey_levels >= 2)?;
        CoreError::check("decoder variance", "positive", variance, variance > 0.0 && variance.is_finite())?;
        Ok(Decoder { half_width: 1.0 / (grey_levels as f64 - 1.0), std: variance.sqrt() })
    }

    /// -log P(bin of `x`) in nats, for one component with predicted mean `mean`. The end bins are open.
    pub fn nats(&self, x: f64, mean: f64) -> f64 {
        let low = if x <= -1.0 + self.half_width {
            f64::NEG_INFINITY
        } else {
            (x - self.half_width - mean) / self.std
        };
        let high =
            if x >= 1.0 - self.half_width { f64::INFINITY } else { (x + self.half_width - mean) / self.std };
        -log_interval(low, high)
    }
}

/// log(Phi(high) - Phi(low)), in the tails too.
fn log_interval(low: f64, high: f64) -> f64 {
    // Mirror so that the interval lies towards the lower tail, where Phi keeps its digits.
    let (low, high) = if low + high > 0.0 { (-high, -low) } else { (low, high) };
    // Phi(u) = erfc(-u/sqrt 2)/2; below -37 it underflows and its leading asymptotic term serves.
    let log_phi = |u: f64| {
        if u > -37.0 {
            (0.5 * erfc(-u / SQRT_2)).ln()
        } else {
            -0.5 * u * u - (-u * std::f64::consts::TAU.sqrt()).ln() - (1.0 / (u * u)).ln_1p()
        }
    };
    let (log_high, log_low) = (log_phi(high), log_phi(low));
    if log_low == f64::NEG_INFINITY { log_high } else { log_high + (-(log_low - log_high).exp_m1()).ln() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_levels_share_all_probability() {
        for (k, variance, mean) in [(256, 1e-4, 0.3), (17, 0.04, -1.4), (2, 1.0, 0.1), (256, 1e-2, 0.999)] {
            let decoder = Decoder::new(k, variance).unwrap();
            let total: f64 =
                (0..k).map(|i| (-decoder.nats(-1.0 + 2.0 * i as f64 / (k as f64 - 1.0), mean)).exp()).sum();
            assert!((total - 1.0).abs() < 1e-12, "{k} {total}");
        }
    }

    #[test]
    fn a_bin_far_in_the_tail_has_a_finite_code_length() {
        let decoder = Decoder::new(256, 1e-6).unwrap();
        let nats = |mean: f64| decoder.nats(0.0, mean);
        // The nearest edge decides: (mean - half width)^2/(2 variance), and more.
        for mean in [0.02, 0.05, 0.5, 1.5] {
            let leading = (mean - 1.0 / 255.0f64).powi(2) / 2e-6;
            assert!(nats(mean) > leading && nats(mean) < leading + 15.0, "{mean} {} {leading}", nats(mean));
            assert!((nats(mean) - nats(-mean)).abs() < 1e-9 * nats(mean));
        }
        assert!(Decoder::new(1, 0.1).is_err() && Decoder::new(256, 0.0).is_err());
    }
}
