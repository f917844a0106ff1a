//! The trait of images that are read one by one.

use std::fmt::Debug;

use rayon::prelude::*;

use crate::error::{DataError, Result};
use crate::fingerprint::Fingerprint;
use crate::image_set::{ImageSet, ImageShape};
use crate::memory::check_fits;

/// Images of one shape that are read one by one.
pub trait ImageSource: Debug + Send + Sync {
    /// Number of images.
    fn len(&self) -> usize;

    /// Whether there are no images.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape that all images share.
    fn shape(&self) -> ImageShape;

    /// One class index an image, if the images are labelled.
    fn labels(&self) -> Option<&[i64]>;

    /// The names of the classes, in the order of their indices; empty without labels.
    fn class_names(&self) -> &[String];

    /// The images in short, for noticing that they changed.
    fn fingerprint(&self) -> &Fingerprint;

    /// Decodes one image into its channel planes; `planes` has room for exactly one.
    fn read(&self, index: usize, planes: &mut [u8]) -> Result<()>;
}

/// Decodes `count` images (all of them if there are fewer) that lie evenly over the source into memory. Refused where they do not fit.
pub fn resident(source: &dyn ImageSource, count: usize) -> Result<ImageSet> {
    let (len, count) = (source.len(), count.min(source.len()));
    let indices: Vec<usize> =
        (0..count).map(|k| (k as u128 * len as u128 / count as u128) as usize).collect();
    let shape = source.shape();
    let what = format!(
        "{count} images of {} x {} x {} (channels, height, width) in memory",
        shape.channels, shape.height, shape.width
    );
    check_fits(&what, count as u128 * shape.dimension() as u128)?;
    let mut set = ImageSet::new(shape, read_all(source, &indices)?)?;
    if count == len {
        set = set.with_fingerprint(source.fingerprint().clone());
    }
    match source.labels() {
        Some(labels) => {
            set.with_labels(indices.iter().map(|&k| labels[k]).collect(), source.class_names().to_vec())
        }
        None => Ok(set),
    }
}

/// The images at `indices`, one after the other, decoded in parallel.
pub(super) fn read_all(source: &dyn ImageSource, indices: &[usize]) -> Result<Vec<u8>> {
    let dimension = source.shape().dimension();
    let mut pixels = vec![0; indices.len() * dimension];
    pixels
        .par_chunks_mut(dimension)
        .zip(indices)
        .try_for_each(|(planes, &index)| source.read(index, planes))?;
    Ok(pixels)
}

/// Checks the index of an image and the size of its buffer.
pub(super) fn check_read(source: &dyn ImageSource, index: usize, planes: &[u8]) -> Result<()> {
    if index >= source.len() {
        return Err(DataError::mismatch("image", format!("below {}", source.len()), index));
    }
    if planes.len() != source.shape().dimension() {
        return Err(DataError::mismatch("bytes for an image", source.shape().dimension(), planes.len()));
    }
    Ok(())
}
