//! Sampling of many images in batches.

use crate::{SampleError, Samples};
use ddpm_core::Mismatch;
use std::ops::Range;

/// Samples `images` in batches of at most `batch`: calls `one` with each range of image numbers, and `take` with the range and its result.
///
/// With keyed noise the images do not depend on `batch` (beyond the rounding of floating point).
pub fn sample_batches<E: From<SampleError>>(
    images: Range<u64>,
    batch: u64,
    mut one: impl FnMut(Range<u64>) -> Result<Samples, SampleError>,
    mut take: impl FnMut(Range<u64>, Samples) -> Result<(), E>,
) -> Result<(), E> {
    if images.is_empty() || batch == 0 {
        let name = if images.is_empty() { "number of samples" } else { "batch size" };
        return Err(SampleError::Setting(Mismatch::new(name, "at least 1", 0)).into());
    }
    let mut first = images.start;
    while first < images.end {
        let range = first..first.saturating_add(batch).min(images.end);
        first = range.end;
        let samples = one(range.clone())?;
        take(range, samples)?;
    }
    Ok(())
}
