//! One reverse step between neighbouring visited levels: the scalars that every term of the decomposition is made of.
//!
//! For s less noisy than t and a step of variance v (post, c: the posterior's variance and weight of x_0):
//!
//! ```text
//! divergence of the step's Gaussian from the posterior's   d/2 [log(v/post) + post/v - 1] + c^2 |D - x_0|^2/(2v)
//! ```

use crate::{CoreError, Level, Posterior, Variance};

/// A step from t to s with its variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReverseStep {
    /// The noisier level.
    pub t: Level,
    /// The less noisy level.
    pub s: Level,
    /// q(x_s | x_t, x_0).
    pub posterior: Posterior,
    /// Variance v of the step in every component.
    pub variance: f64,
}

impl ReverseStep {
    /// The step of an ancestral sampler. `mse_per_component` at t is what `analytic` needs.
    pub fn new(
        t: &Level,
        s: &Level,
        variance: Variance,
        mse_per_component: Option<f64>,
    ) -> Result<Self, CoreError> {
        let posterior = Posterior::between(t, s);
        let variance = variance.of(&posterior, mse_per_component)?;
        Ok(ReverseStep { t: *t, s: *s, posterior, variance })
    }

    /// (1/2) [log(v/post) + post/v - 1], per component: the divergence that comes from a variance other than the posterior's.
    pub fn variance_mismatch(&self) -> f64 {
        let relative = (self.posterior.variance - self.variance) / self.variance;
        0.5 * excess(relative)
    }

    /// c^2/(2v): the divergence by unit of squared error of x_0. (snr_s - snr_t)/2 for v = post.
    pub fn error_weight(&self) -> f64 {
        self.posterior.of_x0 * self.posterior.of_x0 / (2.0 * self.variance)
    }

    /// 1 - sigma_s^2/sigma_t^2 in the variance-exploding view.
    pub fn discretization_ratio(&self) -> f64 {
        self.posterior.snr_fraction_lost()
    }

    /// The discretization term: `mmse` at t, `information` = I_s - I_t.
    pub fn discretization(&self, dim: usize, mmse: f64, information: f64) -> f64 {
        dim as f64 * self.variance_mismatch() + self.error_weight() * mmse - information
    }
}

/// The reverse steps between neighbours of `visited`, the noisiest first. `mse_per_component` has an entry a level, in that order.
pub fn reverse_steps(
    visited: &[Level],
    variance: Variance,
    mse_per_component: Option<&[f64]>,
) -> Result<Vec<ReverseStep>, CoreError> {
    if let Some(mse) = mse_per_component.filter(|mse| mse.len() != visited.len()) {
        let what = "mean-square errors by visited level".to_owned();
        return Err(CoreError::Dimension { what, expected: visited.len(), got: mse.len() });
    }
    for (index, pair) in visited.windows(2).enumerate() {
        let falling = pair[1].log_snr() > pair[0].log_snr() && !pair[1].is_clean();
        if !falling {
            let expected = "less noisy than the one before, and not data";
            let got = pair[1].log_snr();
            return Err(CoreError::Entry { name: "visited levels", index: index + 1, expected, got });
        }
    }
    visited
        .windows(2)
        .enumerate()
        .map(|(k, pair)| ReverseStep::new(&pair[0], &pair[1], variance, mse_per_component.map(|mse| mse[k])))
        .collect()
}

/// u - log(1 + u), to full relative precision also for small u.
pub(super) fn excess(u: f64) -> f64 {
    if u.abs() > 1e-2 {
        return u - u.ln_1p();
    }
    // u^2/2 - u^3/3 + u^4/4 - ...: ten terms reach the last digit at 1e-2.
    let mut power = u * u;
    let mut sum = 0.0;
    for n in 2..12 {
        sum += power / f64::from(n);
        power *= -u;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schedule;

    #[test]
    fn excess_has_no_seam_and_keeps_digits() {
        assert!((excess(0.01) / excess(0.010_000_000_1) - 1.0).abs() < 1e-7);
        assert!((excess(-0.01) / excess(-0.010_000_000_1) - 1.0).abs() < 1e-7);
        assert!((excess(1e-9) / 0.5e-18 - 1.0).abs() < 1e-8);
        assert!((excess(1.0) - (1.0 - 2f64.ln())).abs() < 1e-15);
    }

    #[test]
    fn fixed_small_weighs_errors_by_the_snr_difference() {
        let schedule = Schedule::linear(50).unwrap();
        let visited: Vec<Level> = schedule.levels().rev().collect();
        for step in reverse_steps(&visited, Variance::FixedSmall, None).unwrap() {
            assert_eq!(step.variance_mismatch(), 0.0);
            let half_difference = 0.5 * (step.s.snr() - step.t.snr());
            assert!((step.error_weight() / half_difference - 1.0).abs() < 1e-12);
        }
        let with_data: Vec<Level> = visited.iter().copied().chain([Level::CLEAN]).collect();
        assert!(reverse_steps(&with_data, Variance::FixedSmall, None).is_err());
        assert!(reverse_steps(&visited, Variance::Analytic, Some(&[0.1])).is_err());
    }
}
