//! Streamed data sets, larger than memory: image folders and tar shards that are read from the disk.
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
mod source;

pub use prefetch::{Block, Prefetch};
pub use source::{ImageSource, resident};

use std::path::Path;
use std::sync::Arc;

use crate::error::Result;
use crate::format::split_folders::SplitFolders;

/// A data set on the disk.
#[derive(Debug, Clone)]
pub struct StreamedDataset {
    /// Training images.
    pub train: Arc<dyn ImageSource>,
    /// Held-out images.
    pub held_out: Option<Arc<dyn ImageSource>>,
}

/// Lists the images below `root` and checks their sizes; none is decoded.
pub fn open(root: &Path) -> Result<StreamedDataset> {
    let folders = SplitFolders::find(root);
    if shards::is_folder_of_shards(&folders.train) {
        let train: Arc<dyn ImageSource> = Arc::new(shards::Shards::open(&folders.train, None)?);
        let held_out =
            folders.held_out.map(|folder| shards::Shards::open(&folder, Some(train.as_ref()))).transpose()?;
        return Ok(StreamedDataset { train, held_out: held_out.map(|images| Arc::new(images) as _) });
    }
    let (train, held_out) = files::open(root)?;
    Ok(StreamedDataset { train: Arc::new(train), held_out: held_out.map(|images| Arc::new(images) as _) })
}

/// Whether `root` holds tar shards.
pub fn is_sharded(root: &Path) -> bool {
    shards::is_folder_of_shards(&SplitFolders::find(root).train)
}
