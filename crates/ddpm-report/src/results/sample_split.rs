//! The distance of a sampler's samples from real data as a sum of errors, as JSON.

use super::format::Format;
use ddpm_core::recursion::Start;
use serde::{Deserialize, Serialize};

/// A distance, or a difference of distances.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitValue {
    /// As it was measured.
    pub raw: f64,
    /// Without the bias of order 1/n; absent where there are too few images for each feature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrected: Option<f64>,
    /// 95 % interval of `corrected` over the images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
}

impl SplitValue {
    /// The corrected value, or the raw one where there is none.
    pub fn best(&self) -> f64 {
        self.corrected.unwrap_or(self.raw)
    }

    /// Whether its interval says that it is not zero.
    pub fn is_resolved(&self) -> bool {
        self.interval.is_some_and(|[low, high]| low > 0.0 || high < 0.0)
    }
}

/// The distance of the samples of one start and one number of steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitCell {
    /// `marginal`: real images noised to the highest visited level; `prior`: N(0, I).
    pub start: Start,
    /// Levels visited.
    pub steps: u64,
    /// Distance of the samples from the reference images.
    pub distance: SplitValue,
}

/// A distance as the sum of a floor, training, initialization and discretization: each is the difference that one change makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleSplit {
    /// Version of the format.
    #[serde(default)]
    pub format: Format<1>,
    /// The trained network.
    pub checkpoint: String,
    /// `fid`, `frechet-distance` or `kid`; on vectors `gaussian-w2` (squared).
    pub metric: String,
    /// What made the features.
    pub extractor: String,
    /// Features of an image.
    pub features: u64,
    /// Samples of every cell.
    pub samples: u64,
    /// Real images that were noised to start from, whose own distance is the floor.
    pub start_images: u64,
    /// Which they are.
    pub starts: String,
    /// Real images that everything is compared with.
    pub reference_images: u64,
    /// Which they are.
    pub reference: String,
    /// Whether the network was trained on the reference images, so that what it remembers lowers the distance.
    pub reference_was_trained_on: bool,
    /// The sampler.
    pub sampler: String,
    /// Its steps.
    pub steps: u64,
    /// Steps of the same sampler that stand for the most that the network supports.
    pub fine_steps: u64,
    /// Placement of the visited levels.
    pub grid: String,
    /// Seed of starts and noise.
    pub seed: u64,
    /// The four combinations of start and steps, and half of the fine steps from noised data.
    pub cells: Vec<SplitCell>,
    /// The distance of the samples in question: N(0, I), the sampler's own steps.
    pub total: SplitValue,
    /// The distance of real images: what no error looks like.
    pub floor: SplitValue,
    /// From noised data, with the fine steps, less the floor: training, the finest grid's own discretization, and truncation.
    pub training: SplitValue,
    /// From N(0, I) instead, with the fine steps.
    pub initialization: SplitValue,
    /// With the sampler's own steps instead, from N(0, I).
    pub discretization: SplitValue,
    /// Discretization from noised data, and initialization with the sampler's own steps: the same sum in the other order.
    pub other_order: OtherOrder,
    /// From noised data, half of the fine steps less all of them: how much of `training` the finest grid may be.
    pub finest_grid: SplitValue,
    /// Recommended changes of the sampler, measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trials: Vec<SplitTrial>,
}

/// A recommended change of the sampler, and what it makes of the samples' distance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitTrial {
    /// What changes, in words.
    pub change: String,
    /// The distance with it, from N(0, I).
    pub distance: SplitValue,
    /// The distance in question less this one: positive where the change helps.
    pub gain: SplitValue,
}

/// The two errors in the other order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherOrder {
    /// With the sampler's own steps, from noised data.
    pub discretization: SplitValue,
    /// From N(0, I) instead, with the sampler's own steps.
    pub initialization: SplitValue,
}

impl SampleSplit {
    /// The parts that add up to the total, with their names.
    pub fn parts(&self) -> [(&'static str, SplitValue); 4] {
        [
            ("floor", self.floor),
            ("training", self.training),
            ("initialization", self.initialization),
            ("discretization", self.discretization),
        ]
    }
}
