//! Summary of a dataset: counts, moments of the channels, checksums.

use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::checksum::sha256_bytes;
use crate::image_set::{Dataset, ImageSet, ImageShape, Split};

/// Summary of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The shape of every image.
    pub shape: ImageShape,
    /// Distinct grey levels of the source.
    pub grey_levels: u16,
    /// Each split that the dataset has.
    pub splits: Vec<SplitSummary>,
}

/// Summary of one split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SplitSummary {
    /// Which split.
    pub split: Split,
    /// Images.
    pub count: usize,
    /// Images a class, in the order of the labels; empty without labels.
    pub classes: Vec<ClassCount>,
    /// Mean and spread of each channel.
    pub channels: Vec<ChannelMoments>,
    /// SHA-256 of all pixels, `[n, channels, height, width]`, in their order.
    pub pixels_sha256: String,
    /// SHA-256 of the sorted digests of the labelled images: equal for two copies that differ in their order alone.
    pub content_sha256: String,
}

/// Images in a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// The class's name.
    pub name: String,
    /// Its images.
    pub count: usize,
}

/// Mean and standard deviation of one channel over all images and positions, for bytes divided by 255.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ChannelMoments {
    /// Mean, in `[0, 1]`.
    pub mean: f64,
    /// Standard deviation (of the population: divided by n).
    pub std: f64,
}

/// Summarizes a dataset.
pub fn summarize(dataset: &Dataset) -> Summary {
    let splits = [(Split::Train, Some(&dataset.train)), (Split::HeldOut, dataset.held_out.as_ref())];
    Summary {
        shape: dataset.shape(),
        grey_levels: dataset.train.grey_levels(),
        splits: splits
            .into_iter()
            .filter_map(|(split, images)| Some(summarize_split(split, images?)))
            .collect(),
    }
}

fn summarize_split(split: Split, images: &ImageSet) -> SplitSummary {
    let mut counts = vec![0; images.class_names().len()];
    for &label in images.labels().unwrap_or_default() {
        counts[label as usize] += 1;
    }
    SplitSummary {
        split,
        count: images.len(),
        classes: images
            .class_names()
            .iter()
            .zip(counts)
            .map(|(name, count)| ClassCount { name: name.clone(), count })
            .collect(),
        channels: channel_moments(images),
        pixels_sha256: sha256_bytes(images.pixels()),
        content_sha256: content_sha256(images),
    }
}

/// Mean and spread from exact integer sums.
fn channel_moments(images: &ImageSet) -> Vec<ChannelMoments> {
    let shape = images.shape();
    let plane = shape.height * shape.width;
    let sums = images
        .pixels()
        .par_chunks_exact(shape.dimension())
        .fold(
            || vec![(0_u64, 0_u64); shape.channels],
            |mut sums, image| {
                for (sum, values) in sums.iter_mut().zip(image.chunks_exact(plane)) {
                    sum.0 += values.iter().map(|&value| u64::from(value)).sum::<u64>();
                    sum.1 += values.iter().map(|&value| u64::from(value).pow(2)).sum::<u64>();
                }
                sums
            },
        )
        .reduce(
            || vec![(0, 0); shape.channels],
            |a, b| a.into_iter().zip(b).map(|(a, b)| (a.0 + b.0, a.1 + b.1)).collect(),
        );
    let count = (images.len() * plane).max(1) as f64;
    sums.into_iter()
        .map(|(sum, squares)| {
            let mean = sum as f64 / count;
            let variance = squares as f64 / count - mean * mean;
            ChannelMoments { mean: mean / 255.0, std: variance.max(0.0).sqrt() / 255.0 }
        })
        .collect()
}

fn content_sha256(images: &ImageSet) -> String {
    let labels = images.labels();
    let mut digests: Vec<[u8; 32]> = (0..images.len())
        .into_par_iter()
        .map(|k| {
            let mut hasher = Sha256::new();
            if let Some(labels) = labels {
                hasher.update(labels[k].to_le_bytes());
            }
            hasher.update(images.image(k));
            hasher.finalize().into()
        })
        .collect();
    digests.par_sort_unstable();
    sha256_bytes(digests.as_flattened())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_by_two(pixels: Vec<u8>, labels: Vec<i64>) -> Dataset {
        let names = vec!["a".to_string(), "b".to_string()];
        let set =
            ImageSet::new(ImageShape::new(2, 1, 2), pixels).unwrap().with_labels(labels, names).unwrap();
        Dataset { train: set, held_out: None }
    }

    #[test]
    fn moments_and_counts_are_those_of_the_pixels() {
        // Channel 0: 0, 255, 255, 255; channel 1: 51, 51, 102, 102.
        let summary = summarize(&two_by_two(vec![0, 255, 51, 51, 255, 255, 102, 102], vec![1, 1]));
        let [train] = &summary.splits[..] else { panic!("one split") };
        assert_eq!(train.classes[0].count, 0);
        assert_eq!(train.classes[1].count, 2);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(close(train.channels[0].mean, 0.75) && close(train.channels[0].std, (3.0_f64 / 16.0).sqrt()));
        assert!(close(train.channels[1].mean, 0.3) && close(train.channels[1].std, 0.1));
    }

    #[test]
    fn the_content_digest_ignores_order_and_nothing_else() {
        let digest = |pixels, labels| summarize(&two_by_two(pixels, labels)).splits[0].content_sha256.clone();
        let original = digest(vec![1, 2, 3, 4, 5, 6, 7, 8], vec![0, 1]);
        assert_eq!(original, digest(vec![5, 6, 7, 8, 1, 2, 3, 4], vec![1, 0]));
        assert_ne!(original, digest(vec![5, 6, 7, 8, 1, 2, 3, 4], vec![0, 1]));
        assert_ne!(original, digest(vec![1, 2, 3, 4, 5, 6, 7, 9], vec![0, 1]));
    }
}
