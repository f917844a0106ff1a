//! Datasets as `u8` images: what they are, where they come from, in which order they are visited, and how they
//! are drawn.
//!
//! - [`ImageSet`] and [`Dataset`]: images in memory, one byte a value, channel planes first.
//! - [`load`]: a [`DatasetName`] and a [`Source`] to a [`Dataset`]; [`digits`] are part of the program.
//! - [`stream`]: images that stay on the disk, read ahead of the steps.
//! - [`fetch`]: the files of a dataset from their mirrors, resumable and verified against the [`manifest`].
//! - [`info`] and [`moments`]: what a dataset holds, and the mean and covariance of its images.
//! - [`ShuffledOrder`] and [`Shard`]: which image stands where in which batch, as a pure function of a seed.
//! - [`picture`]: PNG grids, single PNGs and GIFs.
//! - [`atomic`]: files appear complete under their final name or not at all.
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
//! The crate knows nothing of tensors, networks or devices: it hands out bytes and indices, and whoever trains
//! scales them to `[-1, 1]` where they are used.

#![deny(missing_docs)]

pub mod atomic;
mod cache;
mod checksum;
pub mod digits;
mod download;
mod error;
mod fetch;
mod format;
mod image_set;
pub mod info;
mod load;
pub mod manifest;
pub mod moments;
mod name;
mod order;
mod permutation;
pub mod picture;
mod shard;
pub mod stream;

pub use cache::datasets_dir;
pub use checksum::{sha256_bytes, sha256_file};
pub use error::{DataError, FailedMirror, Place, Result};
pub use fetch::{FetchProgress, fetch, fetch_file, is_fetched};
pub use image_set::{Dataset, ImageSet, ImageShape, Split};
pub use load::{Source, load};
pub use name::DatasetName;
pub use order::{Batch, ShuffledOrder};
pub use shard::Shard;
