//! Images that stay on the disk: folders and tar shards larger than memory.
//!
//! An [`ImageSource`] gives random access to its images by index, so that the order of a run is the same pure function of a seed as for images
//! in memory, and resuming at any step is exact. [`Prefetch`] reads and decodes the batches of the coming steps on threads of its own.
//!
//! ```text
//! ROOT/train/CLASS/*.png   ROOT/test/CLASS/*.png     folders, in every layout of an image folder
//! ROOT/train/*.tar         ROOT/test/*.tar           shards, or ROOT/*.tar
//! ```

mod files;
mod prefetch;
mod shards;

pub use prefetch::{Block, Prefetch};

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use crate::error::{DataError, Result};
use crate::image_set::{ImageSet, ImageShape};

/// Images of one shape that are read one by one.
pub trait ImageSource: Debug + Send + Sync {
    /// Number of images.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape that all images share.
    fn shape(&self) -> ImageShape;

    /// One class index an image, if the images are labelled.
    fn labels(&self) -> Option<&[i64]>;

    /// The names of the classes, in the order of their indices; empty without labels.
    fn class_names(&self) -> &[String];

    /// Decodes one image into its channel planes; `planes` has room for exactly one.
    fn read(&self, index: usize, planes: &mut [u8]) -> Result<()>;
}

/// A data set on the disk.
#[derive(Debug, Clone)]
pub struct StreamedDataset {
    /// What a network is trained on.
    pub train: Arc<dyn ImageSource>,
    /// What it never sees.
    pub held_out: Option<Arc<dyn ImageSource>>,
}

/// Lists the images below `root` and checks their sizes; none is decoded.
pub fn open(root: &Path) -> Result<StreamedDataset> {
    let (train, held_out) = (root.join("train"), root.join("test"));
    let place = if train.is_dir() { &train } else { root };
    if shards::is_folder_of_shards(place) {
        let train: Arc<dyn ImageSource> = Arc::new(shards::Shards::open(place, None)?);
        let held_out = (place != root && held_out.is_dir())
            .then(|| shards::Shards::open(&held_out, Some(train.as_ref())))
            .transpose()?;
        return Ok(StreamedDataset { train, held_out: held_out.map(|images| Arc::new(images) as _) });
    }
    let (train, held_out) = files::open(root)?;
    Ok(StreamedDataset { train: Arc::new(train), held_out: held_out.map(|images| Arc::new(images) as _) })
}

/// Whether `root` holds tar shards.
pub fn is_sharded(root: &Path) -> bool {
    shards::is_folder_of_shards(&root.join("train")) || shards::is_folder_of_shards(root)
}

/// Decodes `count` images (all of them if there are fewer) that lie evenly over the source into memory.
pub fn resident(source: &dyn ImageSource, count: usize) -> Result<ImageSet> {
    let (len, count) = (source.len(), count.min(source.len()));
    let indices: Vec<usize> =
        (0..count).map(|k| (k as u128 * len as u128 / count as u128) as usize).collect();
    let set = ImageSet::new(source.shape(), read_all(source, &indices)?)?;
    match source.labels() {
        Some(labels) => {
            set.with_labels(indices.iter().map(|&k| labels[k]).collect(), source.class_names().to_vec())
        }
        None => Ok(set),
    }
}

/// The images at `indices`, one after the other, decoded in parallel.
fn read_all(source: &dyn ImageSource, indices: &[usize]) -> Result<Vec<u8>> {
    let dimension = source.shape().dimension();
    let mut pixels = vec![0; indices.len() * dimension];
    pixels
        .par_chunks_mut(dimension)
        .zip(indices)
        .try_for_each(|(planes, &index)| source.read(index, planes))?;
    Ok(pixels)
}

/// Refuses an index or a buffer that does not fit.
fn check_read(source: &dyn ImageSource, index: usize, planes: &[u8]) -> Result<()> {
    if index >= source.len() {
        return Err(DataError::mismatch("image", format!("below {}", source.len()), index));
    }
    if planes.len() != source.shape().dimension() {
        return Err(DataError::mismatch("bytes for an image", source.shape().dimension(), planes.len()));
    }
    Ok(())
}
