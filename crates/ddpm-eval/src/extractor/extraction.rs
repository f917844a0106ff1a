//! The features of a whole set of images, batch by batch.

use super::feature_extractor::{FeatureExtractor, Features};
use crate::EvalError;
use ddpm_data::ImageShape;
use tch::{Device, Tensor};

/// The features of a set.
#[derive(Debug)]
pub struct FeatureSet {
    /// [n, d] f32 on the CPU.
    pub features: Tensor,
    /// [n, k] f32 on the CPU, where the extractor has classes.
    pub logits: Option<Tensor>,
}

/// Extracts the features of `count` images. `batch` returns the bytes of images `first..last` as channel planes; `progress` is told how many are
/// done and may stop the extraction.
pub fn extract(
    extractor: &dyn FeatureExtractor,
    shape: ImageShape,
    count: usize,
    batch_size: usize,
    batch: &mut dyn FnMut(usize, usize) -> Result<Vec<u8>, EvalError>,
    progress: &mut dyn FnMut(usize) -> Result<(), EvalError>,
) -> Result<FeatureSet, EvalError> {
    extractor.check(shape)?;
    let (mut features, mut logits) = (Vec::new(), Vec::new());
    let size = |n: usize| [n, shape.channels, shape.height, shape.width].map(|side| side as i64);
    for first in (0..count).step_by(batch_size.max(1)) {
        let last = (first + batch_size).min(count);
        let bytes = batch(first, last)?;
        let images = torch_ext::fence(|| Tensor::from_slice(&bytes).reshape(size(last - first)))?;
        let Features { features: rows, logits: scores } = extractor.features(&images)?;
        features.push(rows);
        logits.extend(scores);
        progress(last)?;
    }
    let joined = |parts: &[Tensor]| torch_ext::fence(|| Tensor::cat(parts, 0).to_device(Device::Cpu));
    if features.is_empty() {
        return Err(EvalError::mismatch("images", "at least 1", 0));
    }
    Ok(FeatureSet {
        features: joined(&features)?,
        logits: if logits.is_empty() { None } else { Some(joined(&logits)?) },
    })
}
