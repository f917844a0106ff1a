//! The terms of the step that leaves one visited level.

use ddpm_core::TimeIndex;
use ddpm_core::decomposition::LevelTerms;
use serde::{Deserialize, Serialize};

/// One visited level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelEntry {
    /// The paper's t, 1..T.
    pub t: u32,
    /// Signal-to-noise ratio.
    pub snr: f64,
    /// E|x_0 - D*|^2, or the floor's.
    pub mmse: f64,
    /// E|x_0 - D|^2.
    pub mse: f64,
    /// Null at the lowest level.
    pub discretization_nats: Option<f64>,
    /// Null at the lowest level.
    pub training_nats: Option<f64>,
    /// 1 - sigma_s^2/sigma_t^2; null at the lowest level.
    pub discretization_ratio: Option<f64>,
}

impl LevelEntry {
    /// The entry of a visited timestep.
    pub fn new(t: TimeIndex, terms: &LevelTerms) -> Self {
        LevelEntry {
            t: t.one_based(),
            snr: terms.level.snr(),
            mmse: terms.mmse,
            mse: terms.mse,
            discretization_nats: terms.discretization,
            training_nats: terms.training,
            discretization_ratio: terms.ratio,
        }
    }
}
