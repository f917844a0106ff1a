//! Noise schedules: lists of levels, from the least noise (index 0) to the most (index T-1).
//!
//! One currency is stored, the log-SNR of each level; beta, alpha_bar, SNR, sigma and the posterior derive from it.
//!
//! The autoregressive form x_t = lambda_t x_{t-1} + sqrt(1 - lambda_t^2) eps is the same object with lambda_t^2 = 1 - beta_t: the
//! transition between neighbouring levels is N(lambda_t x_{t-1}, beta_t I), and composing T of them gives back the level.

use crate::{CoreError, Level, Posterior, Scale, Time, TimeIndex};

/// T noise levels of a process.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    pub(super) scale: Scale,
    pub(super) log_snr: Vec<f64>,
}

impl Schedule {
    /// A schedule from the log-SNR of its levels, the least noise first. They must fall strictly; only the last may be minus infinity.
    pub fn from_log_snr(scale: Scale, log_snr: Vec<f64>) -> Result<Self, CoreError> {
        if log_snr.is_empty() {
            return Err(CoreError::OutOfRange { name: "steps", expected: "at least 1", got: 0.0 });
        }
        let last = log_snr.len() - 1;
        let mut previous = f64::INFINITY;
        for (index, &value) in log_snr.iter().enumerate() {
            let no_signal = scale != Scale::VarianceExploding && index == last && value == f64::NEG_INFINITY;
            let ok = (value.is_finite() || no_signal) && value < previous;
            if !ok {
                return Err(CoreError::Entry {
                    name: "log_snr",
                    index,
                    expected: "finite (but for a last level without signal) and below the one before",
                    got: value,
                });
            }
            previous = value;
        }
        Ok(Schedule { scale, log_snr })
    }

    /// What noise does to the scale of the data.
    pub fn scale(&self) -> Scale {
        self.scale
    }

    /// Number of levels T.
    pub fn steps(&self) -> usize {
        self.log_snr.len()
    }

    /// The level of a training timestep. Panics if `t` is not below [`Schedule::steps`], like a slice index.
    pub fn level(&self, t: TimeIndex) -> Level {
        let log_snr = self.log_snr[t.0 as usize];
        let time = match self.scale {
            Scale::VariancePreserving | Scale::SubVariancePreserving => Time::Index(t),
            Scale::VarianceExploding => Time::Sigma((-0.5 * log_snr).exp()),
        };
        self.scale.level(log_snr, time)
    }

    /// All levels, least noise first.
    pub fn levels(&self) -> impl DoubleEndedIterator<Item = Level> + ExactSizeIterator + '_ {
        (0..self.steps()).map(|t| self.level(TimeIndex(t as u32)))
    }

    /// The visited levels, noisiest first, for the timesteps of a grid.
    pub fn visited(&self, timesteps: &[TimeIndex]) -> Result<Vec<Level>, CoreError> {
        timesteps
            .iter()
            .enumerate()
            .map(|(index, &t)| {
                if (t.0 as usize) < self.steps() {
                    return Ok(self.level(t));
                }
                let expected = "below the number of training levels";
                Err(CoreError::Entry { name: "timesteps", index, expected, got: f64::from(t.0) })
            })
            .collect()
    }

    /// The posterior of each level's predecessor: index 0's predecessor is data.
    pub fn posteriors(&self) -> impl Iterator<Item = Posterior> + '_ {
        self.levels().scan(Level::CLEAN, |s, t| {
            let posterior = Posterior::between(&t, s);
            *s = t;
            Some(posterior)
        })
    }

    /// The variance that each level adds to its predecessor: beta_t on a variance-preserving chain.
    pub fn betas(&self) -> Vec<f64> {
        self.posteriors().map(|p| p.transition_variance).collect()
    }
}
