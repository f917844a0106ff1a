//! Images in memory: bytes, stored as channel planes (`[n, channels, height, width]`).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{DataError, Result};
use crate::fingerprint::Fingerprint;

/// The size of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageShape {
    /// Colour channels: 1 for grey, 3 for red, green, blue.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl ImageShape {
    /// A shape from its channels, rows and columns.
    pub const fn new(channels: usize, height: usize, width: usize) -> Self {
        Self { channels, height, width }
    }

    /// Values in one image: `channels * height * width`.
    pub const fn dimension(&self) -> usize {
        self.channels * self.height * self.width
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

/// A part of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Split {
    /// The training set.
    Train,
    /// The held-out set.
    HeldOut,
}

/// Images of one shape, with or without class labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSet {
    shape: ImageShape,
    pixels: Vec<u8>,
    labels: Option<Vec<i64>>,
    class_names: Vec<String>,
    grey_levels: u16,
    fingerprint: Option<Fingerprint>,
}

impl ImageSet {
    /// Unlabelled images from their concatenated channel planes, `[n, channels, height, width]`.
    pub fn new(shape: ImageShape, pixels: Vec<u8>) -> Result<Self> {
        if shape.dimension() == 0 {
            return Err(DataError::mismatch("image shape", "at least 1x1x1", shape));
        }
        if !pixels.len().is_multiple_of(shape.dimension()) {
            return Err(DataError::mismatch(
                "pixel bytes",
                format!("a multiple of {} ({shape})", shape.dimension()),
                pixels.len(),
            ));
        }
        Ok(Self { shape, pixels, labels: None, class_names: Vec::new(), grey_levels: 256, fingerprint: None })
    }

    /// Adds one label an image, each an index into `class_names`.
    pub fn with_labels(mut self, labels: Vec<i64>, class_names: Vec<String>) -> Result<Self> {
        if labels.len() != self.len() {
            return Err(DataError::mismatch("labels", format!("{}, one an image", self.len()), labels.len()));
        }
        let known = 0..class_names.len() as i64;
        if let Some(bad) = labels.iter().find(|label| !known.contains(label)) {
            return Err(DataError::mismatch("label", format!("0..{}", class_names.len()), bad));
        }
        self.labels = Some(labels);
        self.class_names = class_names;
        Ok(self)
    }

    /// Sets the number of distinct grey levels that the source had before they were spread over `0..=255` (256 by default).
    /// The likelihood of the discrete data depends on it.
    pub fn with_grey_levels(mut self, grey_levels: u16) -> Self {
        self.grey_levels = grey_levels;
        self
    }

    /// Sets the fingerprint of the files that the images were decoded from.
    pub(crate) fn with_fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        self.fingerprint = Some(fingerprint);
        self
    }

    /// The images in short, for noticing that they changed: from their files, or from the pixels where they come from no image files.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone().unwrap_or_else(|| {
            Fingerprint::of_pixels(self.len(), &self.pixels, self.labels.as_deref(), &self.class_names)
        })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.shape.dimension()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// The shape that all images share.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// All values, `[n, channels, height, width]`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The channel planes of one image.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len).
    pub fn image(&self, index: usize) -> &[u8] {
        let dimension = self.shape.dimension();
        &self.pixels[index * dimension..(index + 1) * dimension]
    }

    /// One class index an image, if the images are labelled.
    pub fn labels(&self) -> Option<&[i64]> {
        self.labels.as_deref()
    }

    /// The names of the classes, in the order of their indices; empty without labels.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// Distinct grey levels of the source: 17 for the digits, 256 for photographs.
    pub fn grey_levels(&self) -> u16 {
        self.grey_levels
    }

    /// Copies the images at `indices` into one block, `[indices.len(), channels, height, width]`; image `k` is
    /// mirrored left to right where `flips[k]`.
    ///
    /// # Panics
    /// If an index is out of range or `flips` has another length than `indices`.
    pub fn gather(&self, indices: &[usize], flips: Option<&[bool]>) -> Vec<u8> {
        let mut block = Vec::with_capacity(indices.len() * self.shape.dimension());
        if let Some(flips) = flips {
            assert_eq!(flips.len(), indices.len(), "one flip decision an image");
        }
        for (k, &index) in indices.iter().enumerate() {
            let image = self.image(index);
            if flips.is_some_and(|flips| flips[k]) {
                for row in image.chunks_exact(self.shape.width) {
                    block.extend(row.iter().rev());
                }
            } else {
                block.extend_from_slice(image);
            }
        }
        block
    }

    /// The labels at `indices`, if the images are labelled.
    ///
    /// # Panics
    /// If an index is out of range.
    pub fn gather_labels(&self, indices: &[usize]) -> Option<Vec<i64>> {
        let labels = self.labels.as_ref()?;
        Some(indices.iter().map(|&index| labels[index]).collect())
    }

    /// The first `count` images (all of them if there are fewer), as a set of their own.
    pub fn first(&self, count: usize) -> Self {
        let count = count.min(self.len());
        Self {
            shape: self.shape,
            pixels: self.pixels[..count * self.shape.dimension()].to_vec(),
            labels: self.labels.as_ref().map(|labels| labels[..count].to_vec()),
            class_names: self.class_names.clone(),
            grey_levels: self.grey_levels,
            fingerprint: None,
        }
    }
}

/// The training set and, where the source has one, the held-out set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// The training set.
    pub train: ImageSet,
    /// The held-out set; `None` for a folder of images without a `test` folder.
    pub held_out: Option<ImageSet>,
}

impl Dataset {
    /// One split; an error that says what is missing where the dataset has no such split.
    pub fn split(&self, split: Split) -> Result<&ImageSet> {
        match split {
            Split::Train => Ok(&self.train),
            Split::HeldOut => self.held_out.as_ref().ok_or_else(|| {
                DataError::mismatch(
                    "held-out images",
                    "a folder `test` beside `train`",
                    "a dataset without a held-out split",
                )
            }),
        }
    }

    /// The shape of every image.
    pub fn shape(&self) -> ImageShape {
        self.train.shape()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> ImageSet {
        // Two 2x2x3 images whose values are their own offsets.
        ImageSet::new(ImageShape::new(2, 2, 3), (0..24).collect()).unwrap()
    }

    #[test]
    fn gather_mirrors_each_row_of_each_plane() {
        let block = pair().gather(&[1, 0, 1], Some(&[true, false, false]));
        assert_eq!(block[..12], [14, 13, 12, 17, 16, 15, 20, 19, 18, 23, 22, 21]);
        assert_eq!(block[12..24], (0..12).collect::<Vec<u8>>()[..]);
        assert_eq!(block[24..], (12..24).collect::<Vec<u8>>()[..]);
    }

    #[test]
    fn a_double_flip_is_the_identity() {
        let set = pair();
        let flipped = ImageSet::new(set.shape(), set.gather(&[0, 1], Some(&[true, true]))).unwrap();
        assert_eq!(flipped.gather(&[0, 1], Some(&[true, true])), set.pixels());
        assert_ne!(flipped.pixels(), set.pixels());
    }

    #[test]
    fn sizes_and_labels_are_checked() {
        let shape = ImageShape::new(1, 2, 2);
        let short = ImageSet::new(shape, vec![0; 7]).unwrap_err().to_string();
        assert_eq!(short, "pixel bytes: expected a multiple of 4 (1x2x2), got 7");
        let set = ImageSet::new(shape, vec![0; 8]).unwrap();
        let names = || vec!["a".to_string(), "b".to_string()];
        assert!(set.clone().with_labels(vec![0], names()).is_err());
        let bad = set.clone().with_labels(vec![0, 2], names()).unwrap_err().to_string();
        assert_eq!(bad, "label: expected 0..2, got 2");
        assert!(set.clone().with_labels(vec![0, -1], names()).is_err());
        let labelled = set.with_labels(vec![1, 0], names()).unwrap();
        assert_eq!(labelled.gather_labels(&[1, 1, 0]), Some(vec![0, 0, 1]));
        assert_eq!(labelled.first(1).labels(), Some(&[1_i64][..]));
    }
}
