//! The relative error of a learned score at one noise level.

use serde::{Deserialize, Serialize};

/// The error of a score at one level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreError {
    /// Signal scale alpha.
    pub alpha: f64,
    /// Noise standard deviation sigma.
    pub sigma: f64,
    /// log(alpha^2/sigma^2).
    pub log_snr: f64,
    /// E|s - s*|^2 / E|s*|^2.
    pub relative: f64,
    /// Its standard error.
    pub stderr: f64,
    /// sqrt(E|s*|^2 / d), the size of the exact score.
    pub score_rms: f64,
}
