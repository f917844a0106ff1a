//! Noise schedules: lists of levels, from the least noise (index 0) to the most (index T-1).
//!
//! One currency is stored, the log-SNR of each level; beta, alpha_bar, SNR, sigma and the posterior derive from it.
//!
//! The autoregressive form x_t = lambda_t x_{t-1} + sqrt(1 - lambda_t^2) eps is the same object with lambda_t^2 = 1 - beta_t.

use crate::{CoreError, Level, Posterior, Time, TimeIndex};

/// T noise levels of a process.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    log_snr: Vec<f64>,
}

impl Schedule {
    /// Ho et al.'s betas rescaled to T steps: evenly spaced from 0.1/T to 20/T (T = 1000: 1e-4 to 0.02).
    pub fn linear(steps: usize) -> Result<Self, CoreError> {
        let t = steps as f64;
        Self::linear_between(0.1 / t, 20.0 / t, steps)
    }

    /// Betas evenly spaced from `beta_start` to `beta_end`, both included.
    pub fn linear_between(beta_start: f64, beta_end: f64, steps: usize) -> Result<Self, CoreError> {
        let last = steps.saturating_sub(1).max(1) as f64;
        let betas: Vec<f64> =
            (0..steps).map(|i| beta_start + (beta_end - beta_start) * i as f64 / last).collect();
        Self::from_betas(&betas)
    }

    /// A VP schedule from its betas, each in (0, 1).
    pub fn from_betas(betas: &[f64]) -> Result<Self, CoreError> {
        if betas.is_empty() {
            return Err(CoreError::OutOfRange { name: "steps", expected: "at least 1", got: 0.0 });
        }
        let mut log_alpha_bar = 0.0;
        let mut log_snr = Vec::with_capacity(betas.len());
        for (index, &beta) in betas.iter().enumerate() {
            if !(beta > 0.0 && beta < 1.0) {
                return Err(CoreError::Entry { name: "beta", index, expected: "between 0 and 1", got: beta });
            }
            log_alpha_bar += (-beta).ln_1p();
            log_snr.push(log_alpha_bar - (-log_alpha_bar.exp_m1()).ln());
        }
        Ok(Schedule { log_snr })
    }

    /// Number of levels T.
    pub fn steps(&self) -> usize {
        self.log_snr.len()
    }

    /// The level of a training timestep. Panics if `t` is not below [`Schedule::steps`], like a slice index.
    pub fn level(&self, t: TimeIndex) -> Level {
        Level::variance_preserving(self.log_snr[t.0 as usize], Time::Index(t))
    }

    /// All levels, least noise first.
    pub fn levels(&self) -> impl DoubleEndedIterator<Item = Level> + ExactSizeIterator + '_ {
        (0..self.steps()).map(|t| self.level(TimeIndex(t as u32)))
    }

    /// The posterior of each level's predecessor: index 0's predecessor is data.
    pub fn posteriors(&self) -> impl Iterator<Item = Posterior> + '_ {
        self.levels().scan(Level::CLEAN, |s, t| {
            let posterior = Posterior::between(&t, s);
            *s = t;
            Some(posterior)
        })
    }

    /// beta_t of every level.
    pub fn betas(&self) -> Vec<f64> {
        self.posteriors().map(|p| p.transition_variance).collect()
    }
}
