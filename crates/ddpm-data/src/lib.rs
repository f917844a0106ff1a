//! Datasets as `u8` images: what they are, where they come from, in which order they are visited, and how they
//! are drawn.
//!
//! - [`ImageSet`] and [`Dataset`]: images in memory, one byte a value, channel planes first.
//! - [`digits`]: the 8x8 digits that are part of the program.
//! - [`ShuffledOrder`] and [`Shard`]: which image stands where in which batch, as a pure function of a seed.
//! - [`picture`]: PNG grids, single PNGs and GIFs.
//! - [`atomic`]: files appear complete under their final name or not at all.
//!
//! The crate knows nothing of tensors, networks or devices: it hands out bytes and indices, and whoever trains
//! scales them to `[-1, 1]` where they are used.

#![deny(missing_docs)]

pub mod atomic;
pub mod digits;
mod error;
mod image_set;
mod order;
mod permutation;
pub mod picture;
mod shard;

pub use error::{DataError, Place, Result};
pub use image_set::{Dataset, ImageSet, ImageShape, Split};
pub use order::{Batch, ShuffledOrder};
pub use shard::Shard;
