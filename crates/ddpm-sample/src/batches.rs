//! Sampling of many images in batches.

use crate::{SampleError, Samples};
use ddpm_core::Mismatch;
use std::ops::Range;
use tch::Tensor;

/// Samples images 0..total in batches of at most `batch`, by calling `one` with each range of image numbers, and joins the results.
///
/// Recorded frames are kept of the first batch. With keyed noise the images do not depend on `batch` (beyond the rounding of floating point).
pub fn sample_batches(
    total: u64,
    batch: u64,
    mut one: impl FnMut(Range<u64>) -> Result<Samples, SampleError>,
) -> Result<Samples, SampleError> {
    if total == 0 || batch == 0 {
        let name = if total == 0 { "number of samples" } else { "batch size" };
        return Err(SampleError::Setting(Mismatch::new(name, "at least 1", 0)));
    }
    let mut joined = one(0..batch.min(total))?;
    let mut parts = vec![joined.x.shallow_clone()];
    let mut first = batch;
    while first < total {
        let next = one(first..(first + batch).min(total))?;
        joined.evaluations += next.evaluations;
        joined.relative_size = joined.relative_size.max(next.relative_size);
        parts.push(next.x);
        first += batch;
    }
    joined.x = torch_ext::fence(|| Tensor::cat(&parts, 0))?;
    Ok(joined)
}
