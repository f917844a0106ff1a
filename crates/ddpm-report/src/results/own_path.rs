//! The states that a sampler visits beside noised data, as JSON.

use super::format::Format;
use ddpm_core::interval::Interval;
use serde::{Deserialize, Serialize};

/// Moments of the states on the sampler's own path and of noised data, at the same levels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnPathReport {
    /// Version of the format.
    #[serde(default)]
    pub format: Format<1>,
    /// The sampler.
    pub sampler: String,
    /// Levels that it visits.
    pub steps: u64,
    /// Samples that it drew.
    pub samples: u64,
    /// Real images that were noised.
    pub images: u64,
    /// Which they are.
    pub data: String,
    /// Share of the data's variance along each of the leading principal axes.
    pub axis_shares: Vec<f64>,
    /// Seed of starts and noise.
    pub seed: u64,
    /// Some of the visited levels, the noisiest first.
    pub levels: Vec<OwnPathLevel>,
}

/// One level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnPathLevel {
    /// The training timestep, counted from 1; absent for continuous processes.
    pub t: Option<u32>,
    /// Signal-to-noise ratio.
    pub snr: f64,
    /// On noised data.
    pub data: StateMoments,
    /// On the sampler's path.
    pub path: StateMoments,
    /// Root mean square, over components, of the difference of the mean states.
    pub mean_distance: f64,
}

/// Moments of states x_t and of the network's answers to them, with 95 % intervals over states.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateMoments {
    /// Variance of a component of x_t.
    pub variance: Interval,
    /// Mean square of a component of the predicted eps: (x_t - alpha D)/sigma with the predicted x_0 as the sampler uses it.
    pub squared_epsilon: Interval,
    /// Variance of a component of the predicted x_0.
    pub x0_variance: Interval,
    /// Variance of x_t along each of the leading principal axes of the data.
    pub along_axes: Vec<Interval>,
}
