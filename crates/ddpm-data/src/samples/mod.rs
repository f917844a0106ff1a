//! Samples on the disk: written batch by batch, so that an interruption loses the batch that it cut and nothing else.
//!
//! [`SampleOutput::reserve`] locks the place and tests that it can be written, before anything is computed. [`SampleWriter::begin`] compares the
//! settings with those of the samples that are there and finds how many of them are complete. [`SampleWriter::append`] takes batches, and a batch
//! counts as finished when it is on the disk. [`SampleWriter::complete`] ends the output.
//!
//! | format | files |
//! |---|---|
//! | [`SampleFormat::Png`] | a folder: `000000.png`, `000001.png`, ... |
//! | [`SampleFormat::Shards`] | a folder: `shard-00000.safetensors`, ... of [`SHARD`] images each: `images [n, c, h, w]` of u8, `labels [n]` of i64 |
//! | [`SampleFormat::Tensors`] | one file: `samples [n, ...]` of f32 |
//! | [`SampleFormat::Grid`] | one PNG of all images |
//!
//! A folder has `samples.json` with the settings, the number of finished samples, and whether it is complete. A single file has the settings in its
//! metadata under the key `ddpm`; while it is made, its parts and `samples.json` are in the hidden folder `.NAME.partial` beside it.

mod free_space;
mod labels;
mod output;
mod png_files;
mod record;
mod row_file;
mod shard_files;
mod store;
#[cfg(test)]
mod tests;
mod writer;

pub use labels::Labels;
pub use output::{Existing, SampleFormat, SampleOutput};
pub use record::SamplePlan;
pub use shard_files::SHARD;
pub use writer::{Rows, SampleWriter};
