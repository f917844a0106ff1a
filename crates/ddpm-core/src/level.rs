//! A noise level, one point of the noising process: x_t = alpha x_0 + sigma eps.

use serde::{Deserialize, Serialize};

/// A 0-based training timestep, `0..T-1`: index t has t + 1 noising steps (the convention of Ho et al.'s code and of diffusers).
///
/// Papers and the error decomposition count t = 1..T; [`TimeIndex::one_based`] is the only bridge between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TimeIndex(pub u32);

impl TimeIndex {
    /// The paper's t, 1..T.
    pub fn one_based(self) -> u32 {
        self.0 + 1
    }
}

/// The coordinate at which a network was trained for a level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Time {
    /// No noise at all: data. No network is evaluated here.
    Clean,
    /// A discrete training timestep.
    Index(TimeIndex),
    /// A point between training timesteps, in units of the 0-based index: where a solver of a differential equation evaluates.
    FractionalIndex(f64),
    /// Continuous time of an SDE.
    Continuous(f64),
    /// The noise standard deviation relative to the signal, sigma/alpha (VE and EDM networks).
    Sigma(f64),
}

/// One noise level: signal scale `alpha`, noise standard deviation `sigma`, and the time coordinate that networks are given for it.
///
/// A level is made from logarithms, so that 1 - alpha_bar keeps its digits at the least noisy levels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    alpha: f64,
    sigma: f64,
    log_snr: f64,
    time: Time,
}

impl Level {
    /// Data itself: alpha = 1, sigma = 0.
    pub const CLEAN: Level = Level { alpha: 1.0, sigma: 0.0, log_snr: f64::INFINITY, time: Time::Clean };

    /// A variance-preserving level: alpha^2 = sigmoid(log_snr), sigma^2 = sigmoid(-log_snr) (Kingma et al. 2021, eq. 1).
    pub fn variance_preserving(log_snr: f64, time: Time) -> Self {
        Level {
            alpha: (0.5 * log_sigmoid(log_snr)).exp(),
            sigma: (0.5 * log_sigmoid(-log_snr)).exp(),
            log_snr,
            time,
        }
    }

    /// A variance-exploding level: alpha = 1, sigma = exp(-log_snr / 2).
    pub fn variance_exploding(log_snr: f64, time: Time) -> Self {
        Level { alpha: 1.0, sigma: (-0.5 * log_snr).exp(), log_snr, time }
    }

    /// A level with any signal scale and noise, such as sub-VP's: log(alpha) and log(sigma).
    pub fn from_logs(log_alpha: f64, log_sigma: f64, time: Time) -> Self {
        Level { alpha: log_alpha.exp(), sigma: log_sigma.exp(), log_snr: 2.0 * (log_alpha - log_sigma), time }
    }

    /// Signal scale alpha_t.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// Noise standard deviation sigma_t.
    pub fn sigma(&self) -> f64 {
        self.sigma
    }

    /// alpha_t^2, Ho et al.'s alpha_bar_t.
    pub fn alpha_bar(&self) -> f64 {
        self.alpha * self.alpha
    }

    /// Signal-to-noise ratio alpha^2 / sigma^2.
    pub fn snr(&self) -> f64 {
        self.log_snr.exp()
    }

    /// log(alpha^2 / sigma^2); infinite for data, minus infinite where no signal is left.
    pub fn log_snr(&self) -> f64 {
        self.log_snr
    }

    /// sigma / alpha: the noise standard deviation in the variance-exploding view.
    pub fn relative_sigma(&self) -> f64 {
        (-0.5 * self.log_snr).exp()
    }

    /// Standard deviation of the law that samplers start from: sqrt(alpha^2 + sigma^2), the noised law of data with unit variance.
    ///
    /// It is 1 on a variance-preserving process; on a variance-exploding one it is sqrt(1 + sigma^2), the same law in that scale.
    pub fn prior_std(&self) -> f64 {
        self.alpha.hypot(self.sigma)
    }

    /// The time coordinate that networks are given for this level.
    pub fn time(&self) -> Time {
        self.time
    }

    /// Whether this is data, with no noise.
    pub fn is_clean(&self) -> bool {
        self.sigma == 0.0
    }
}

/// log(1 / (1 + exp(-x))), finite for every finite x.
pub(crate) fn log_sigmoid(x: f64) -> f64 {
    if x >= 0.0 { -(-x).exp().ln_1p() } else { x - x.exp().ln_1p() }
}

/// The log-SNR of a variance-preserving level from log(alpha_bar) <= 0, exact where alpha_bar is close to 1.
pub(crate) fn log_snr_of_log_alpha_bar(log_alpha_bar: f64) -> f64 {
    log_alpha_bar - (-log_alpha_bar.exp_m1()).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn variance_is_preserved_and_the_ratio_is_the_snr(log_snr in -40.0..40.0f64) {
            let level = Level::variance_preserving(log_snr, Time::Continuous(0.5));
            prop_assert!((level.alpha().powi(2) + level.sigma().powi(2) - 1.0).abs() < 1e-14);
            prop_assert!((2.0 * (level.alpha() / level.sigma()).ln() - log_snr).abs() < 1e-12);
            let exploding = Level::variance_exploding(log_snr, Time::Sigma(1.0));
            prop_assert!((exploding.relative_sigma() / level.relative_sigma() - 1.0).abs() < 1e-12);
        }
    }
}
