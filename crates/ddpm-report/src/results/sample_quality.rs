//! What was measured on the samples of a run, as JSON.

use super::format::Format;
use super::likelihood::Likelihood;
use super::set_distance::{ClassScore, SetDistance, SetOverlap};
use serde::{Deserialize, Serialize};

/// Samples compared with real images, and the likelihood of real images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleQuality {
    /// Version of the format.
    #[serde(default)]
    pub format: Format<1>,
    /// Step of the checkpoint.
    pub step: u64,
    /// How the samples were drawn.
    pub samples: SampledSet,
    /// The real images.
    pub against: String,
    /// For features that were trained for this: on how many held-out images the classifier was tested, and the share that it assigns to their
    /// class.
    pub classifier_accuracy: Option<(u64, f64)>,
    /// Samples and real images.
    pub distance: SetDistance,
    /// The same by the kernel distance.
    pub kernel_distance: SetDistance,
    /// Precision, recall, density, coverage.
    pub overlap: SetOverlap,
    /// Images of noise, as many as samples, and the real images: what no training gives.
    pub noise: SetDistance,
    /// The score of the samples' classes, beside that of real images, where the extractor has classes.
    pub class_score: Option<ClassScore>,
    /// How near samples are to training images.
    pub memorization: TrainingNeighbours,
    /// The variational bound.
    pub likelihood: Option<Likelihood>,
}

/// The nearest training images of samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neighbours {
    /// Version of the format.
    #[serde(default)]
    pub format: Format<1>,
    /// Distances in short.
    pub summary: TrainingNeighbours,
    /// Which samples.
    pub samples: String,
    /// Which training images.
    pub data: String,
    /// What made the features.
    pub extractor: String,
    /// A sample each, in their order.
    pub nearest: Vec<NearestImages>,
}

/// The nearest training images of one sample, the nearest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NearestImages {
    /// Where they stand in the training set, from 0.
    pub images: Vec<u64>,
    /// Their distances in feature space.
    pub distances: Vec<f64>,
}

/// How samples were drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampledSet {
    /// Number of samples.
    pub num: u64,
    /// The sampler.
    pub sampler: String,
    /// Noise levels visited.
    pub steps: u64,
    /// Seed of the noise.
    pub seed: u64,
}

/// Distances to the nearest training image in feature space.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingNeighbours {
    /// Median over the samples.
    pub samples_median: f64,
    /// Median over held-out images, where there are any.
    pub held_out_median: Option<f64>,
    /// Share of the samples that are nearer to a training image than all but 5 % of the held-out images: 0.05 where samples are no nearer than new
    /// images.
    pub near_share: Option<f64>,
    /// 95 % interval of that share over the samples (Wilson's).
    pub near_interval: Option<[f64; 2]>,
}
