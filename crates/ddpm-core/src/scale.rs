//! The scale of a noising process: how alpha and sigma follow from the log-SNR.

use crate::{Level, Time};
use serde::{Deserialize, Serialize};

/// What noise does to the scale of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// alpha^2 + sigma^2 = 1.
    VariancePreserving,
    /// sigma = 1 - alpha^2 (Song et al. 2021, sec. 3.4): less noise for the same signal.
    SubVariancePreserving,
    /// alpha = 1; networks know a level by its sigma.
    VarianceExploding,
}

impl Scale {
    /// The level of a log-SNR in this scale.
    pub fn level(self, log_snr: f64, time: Time) -> Level {
        match self {
            Scale::VariancePreserving => Level::variance_preserving(log_snr, time),
            Scale::SubVariancePreserving => {
                // With r = alpha/sigma = alpha/(1 - alpha^2): sigma = alpha/r = 2/(1 + sqrt(1 + 4 r^2)) and alpha^2 = 1 - sigma.
                let r = (0.5 * log_snr).exp();
                let sigma = 2.0 / (1.0 + (2.0 * r).hypot(1.0));
                let log_alpha = if r > 1.0 { 0.5 * (-sigma).ln_1p() } else { 0.5 * log_snr + sigma.ln() };
                Level::from_logs(log_alpha, sigma.ln(), time)
            }
            Scale::VarianceExploding => Level::variance_exploding(log_snr, time),
        }
    }
}
