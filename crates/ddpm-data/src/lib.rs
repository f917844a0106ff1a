//! Datasets of `u8` images: fetching, loading, the order of training batches, and pictures.
//!
//! - [`ImageSet`] and [`Dataset`]: images in memory as bytes, `[n, channels, height, width]`.
//! - [`ImageOptions`]: how images of files become images of one shape; [`Unread`]: what is not read; [`Fingerprint`]: a digest.
//! - [`load`]: reads a [`Dataset`], given its [`DatasetName`] and a [`Source`]. The digits are part of the program.
//! - [`stream`]: datasets larger than memory, read from the disk ahead of the training steps.
//! - [`read_array`]: arrays of numbers from .npy, .safetensors and .csv files.
//! - [`fetch`]: downloads the files of a dataset, resumes transfers, and verifies them against the [`manifest`].
//! - [`info`] and [`moments`]: summary of a dataset; mean and covariance of its images.
//! - [`ShuffledOrder`] and [`Shard`]: the images of each training batch, as a pure function of a seed.
//! - [`samples`]: folders and files of samples, written batch by batch and resumed after an interruption.
//! - [`picture`]: PNG grids, single PNGs and GIFs.
//! - [`atomic`]: writing files atomically.
//! - [`folder_lock`] and [`own_files`]: one process at a time in a folder of results; removal of a program's own files.
//!
//! ```
//! use ddpm_data::{DatasetName, Shard, ShuffledOrder, Source, load};
//!
//! # fn main() -> ddpm_data::Result<()> {
//! let digits = load(DatasetName::Digits, &Source::from_data_dir(None)?)?;
//! let order = ShuffledOrder::new(0, digits.train.len())?;
//! let batch = order.batch(17, &Shard::single(128)?);
//! let pixels = digits.train.gather(&batch.indices, None); // [128, 1, 8, 8]
//! assert_eq!(pixels.len(), 128 * digits.shape().dimension());
//! # Ok(())
//! # }
//! ```
//!
//! The crate has no tensors, networks or devices. It returns bytes and indices; the caller scales pixels to `[-1, 1]`.

#![deny(missing_docs)]

mod arrays;
pub mod atomic;
mod cache;
mod checksum;
pub mod digits;
mod download;
mod error;
mod fetch;
mod fingerprint;
pub mod folder_lock;
mod format;
mod image_options;
mod image_set;
pub mod info;
mod load;
pub mod manifest;
mod memory;
pub mod moments;
mod name;
mod order;
pub mod own_files;
mod permutation;
pub mod picture;
pub mod samples;
mod shard;
pub mod stream;
mod unread;

pub use arrays::{Array, read_array};
pub use cache::datasets_dir;
pub use checksum::{sha256_bytes, sha256_file};
pub use error::{DataError, FailedMirror, Mismatch, Result};
pub use fetch::{FetchProgress, fetch, fetch_file, is_fetched};
pub use fingerprint::Fingerprint;
pub use folder_lock::FolderLock;
pub use image_options::{ImageOptions, ImageSize, OnError, Resize};
pub use image_set::{Dataset, ImageSet, ImageShape, Split};
pub use load::{Loaded, Source, load, load_with};
pub use memory::{available_memory, human_bytes};
pub use name::{DatasetName, UnknownDataset};
pub use order::{Batch, ShuffledOrder};
pub use own_files::OwnFiles;
pub use shard::Shard;
pub use unread::{SkippedImage, Unread};
