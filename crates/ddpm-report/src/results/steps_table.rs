//! Sample quality against the number of steps, as JSON.

use super::format::Format;
use super::sample_quality::SampledSet;
use super::set_distance::SetDistance;
use serde::{Deserialize, Serialize};

/// Distances of samples to real images by sampler and number of steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepsTable {
    /// Version of the format.
    #[serde(default)]
    pub format: Format<1>,
    /// The checkpoint.
    pub model: String,
    /// The real images.
    pub against: String,
    /// What the others are compared with: ancestral sampling through all training levels.
    pub reference: StepsRow,
    /// The others.
    pub rows: Vec<StepsRow>,
    /// For each sampler the smallest number of evaluations whose distance is at most 1.05 times the reference's; absent where none is.
    pub within: Vec<WithinReference>,
}

/// One sampler with one number of steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepsRow {
    /// How the samples were drawn.
    pub samples: SampledSet,
    /// Evaluations of the network for each sample.
    pub evaluations: u64,
    /// The distance to the real images.
    pub distance: SetDistance,
}

/// Where a sampler comes close to the reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithinReference {
    /// The sampler.
    pub sampler: String,
    /// Its steps.
    pub steps: Option<u64>,
    /// Evaluations of the network for each sample.
    pub evaluations: Option<u64>,
}
