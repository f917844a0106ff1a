//! Distances between two sets of images by their features, as JSON.

use super::format::Format;
use serde::{Deserialize, Serialize};

/// A Fréchet or kernel distance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetDistance {
    /// Version of the format.
    #[serde(default)]
    pub format: Format<1>,
    /// `fid` for 2048 features of Inception, otherwise `frechet-distance`; or `kid`.
    pub metric: String,
    /// The distance as the literature reports it.
    pub value: f64,
    /// Without its bias of order 1/n; absent where there are too few images for each feature.
    pub corrected: Option<f64>,
    /// 95 % interval of the corrected value over the images of both sets.
    pub interval: Option<[f64; 2]>,
    /// Images of the first set.
    pub n_a: u64,
    /// Images of the second set.
    pub n_b: u64,
    /// Number of features.
    pub dim: u64,
    /// What made the features.
    pub extractor: String,
    /// The same distance between two halves of the second set: what no difference looks like at that number of images.
    pub reference_value: Option<f64>,
}

/// Precision, recall, density and coverage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetOverlap {
    /// Version of the format.
    #[serde(default)]
    pub format: Format<1>,
    /// `precision-recall`.
    pub metric: String,
    /// Share of the first set near the second, k = 3.
    pub precision: f64,
    /// Share of the second set near the first, k = 3.
    pub recall: f64,
    /// How many neighbourhoods of the second set hold an image of the first, over k = 5.
    pub density: f64,
    /// Share of the second set with an image of the first among its neighbours, k = 5.
    pub coverage: f64,
    /// 95 % intervals of precision, recall and coverage, as shares of images with the neighbourhoods given.
    pub intervals: [[f64; 2]; 3],
    /// Images of the first set.
    pub n_a: u64,
    /// Images of the second set.
    pub n_b: u64,
    /// Number of features.
    pub dim: u64,
    /// What made the features.
    pub extractor: String,
}

/// The Inception Score, or the same of another classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    /// Version of the format.
    #[serde(default)]
    pub format: Format<1>,
    /// `inception-score` for Inception, otherwise `class-score`.
    pub metric: String,
    /// Mean over ten parts.
    pub value: f64,
    /// Standard deviation over the ten parts, which the literature puts behind +-.
    pub deviation: f64,
    /// 95 % interval of the mean (Student's t with 9 degrees of freedom).
    pub interval: [f64; 2],
    /// Images.
    pub n_a: u64,
    /// Classes.
    pub classes: u64,
    /// What made the logits.
    pub extractor: String,
    /// The same of real images, where they were given.
    pub reference_value: Option<f64>,
}
