//! Streamed data sets, larger than memory: image folders and tar shards that are read from the disk.
//!
//! An [`ImageSource`] gives random access to its images by index, so that the order of a run is the same pure function of a seed as for images
//! in memory, and resuming at any step is exact. [`Prefetch`] reads and decodes the batches of the coming steps on threads of its own.
//!
//! ```text
//! ROOT/train/CLASS/**/*.png   ROOT/test/CLASS/**/*.png   folders, in every layout of an image folder
//! ROOT/train/*.tar            ROOT/test/*.tar            shards, or ROOT/*.tar
//! ```

mod encoded;
mod file_window;
mod files;
mod open;
mod prefetch;
mod shards;
mod source;

pub(crate) use open::{Expected, open_expecting};
pub use open::{StreamedDataset, open};
pub use prefetch::{Block, Prefetch};
pub use source::{ImageSource, resident};
