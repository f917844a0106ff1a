//! What each step of a deterministic sampler costs in its final sample, as JSON.

use super::format::Format;
use serde::{Deserialize, Serialize};

/// The contributions of the steps, over several starting states.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepErrorReport {
    /// Version of the format.
    #[serde(default)]
    pub format: Format<1>,
    /// The sampler.
    pub sampler: String,
    /// Its order of convergence.
    pub order: u32,
    /// Its steps, the last one to data included.
    pub steps: u64,
    /// Steps of DDIM that the flow is solved in.
    pub fine_steps: u64,
    /// Starting states.
    pub paths: u64,
    /// Seed of the starting states.
    pub seed: u64,
    /// What made the features.
    pub extractor: String,
    /// Root mean square, over components and paths, of the difference between the sampler's result and the flow's.
    pub total_rms: f64,
    /// Root mean square, over paths, of the distance of their features.
    pub total_feature_distance: f64,
    /// One entry a step, the noisiest first.
    pub entries: Vec<StepErrorEntry>,
    /// Largest difference between the sum of the terms and the total, relative to the total: rounding.
    pub sum_residual: f64,
    /// As many levels, placed such that by the measured costs each step would cost the same; absent where a step's cost is not finite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Vec<PlacedLevel>>,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepErrorEntry {
    /// The training timestep where it begins, counted from 1; absent for continuous processes.
    pub t: Option<u32>,
    /// Signal-to-noise ratio there.
    pub snr: f64,
    /// Root mean square of its contribution to the final sample, over components and paths.
    pub rms: f64,
    /// Standard error of `rms` over paths.
    pub rms_stderr: f64,
    /// The same of its local error: its result less the flow's from the same state.
    pub local_rms: f64,
    /// `rms` over `local_rms`: what the following flow makes of the local error. Absent where the local error is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amplification: Option<f64>,
    /// E<contribution, total>/E|total|^2: the shares of all steps sum to 1; a negative one makes up for others.
    pub share: f64,
    /// Root mean square of its contribution to the features.
    pub feature_distance: f64,
    /// Its share of the features' difference.
    pub feature_share: f64,
}

/// A level of a placement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacedLevel {
    /// The training timestep, counted from 1; absent where levels are not tied to timesteps.
    pub t: Option<u32>,
    /// Its log-SNR.
    pub log_snr: f64,
}
