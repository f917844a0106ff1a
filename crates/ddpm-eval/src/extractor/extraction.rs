//! The features of a whole set of images, batch by batch.

use super::feature_extractor::{FeatureExtractor, Features};
use crate::{EvalError, shared};
use ddpm_data::ImageShape;
use tch::{Device, Kind, Tensor};
use torch_ext::dist::Workers;

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
///
/// Several processes share the batches, and all get every row.
pub fn extract(
    extractor: &dyn FeatureExtractor,
    shape: ImageShape,
    count: usize,
    batch_size: usize,
    batch: &mut dyn FnMut(usize, usize) -> Result<Vec<u8>, EvalError>,
    workers: &Workers,
    progress: &mut dyn FnMut(usize) -> Result<(), EvalError>,
) -> Result<FeatureSet, EvalError> {
    extractor.check(shape)?;
    if count == 0 {
        return Err(EvalError::mismatch("images", "at least 1", 0));
    }
    let own = of_part(extractor, shape, count, batch_size.max(1), batch, workers, progress);
    let [features, logits] = shared::finished(workers, own)?;
    let joined = |parts: &[Tensor]| -> Result<Tensor, EvalError> {
        let own = torch_ext::fence(|| match parts {
            [] => Tensor::from_slice::<f32>(&[]),
            _ => Tensor::cat(parts, 0).to_device(Device::Cpu),
        })?;
        if workers.world() == 1 {
            return Ok(own);
        }
        let all = workers.gather(&torch_ext::fence(|| own.to_kind(Kind::Float).reshape([-1]))?)?;
        Ok(torch_ext::fence(|| all.reshape([count as i64, -1]))?)
    };
    let has_logits = workers.any(!logits.is_empty())?;
    Ok(FeatureSet { features: joined(&features)?, logits: has_logits.then(|| joined(&logits)).transpose()? })
}

/// The features and the scores of the images of one process, batch by batch.
fn of_part(
    extractor: &dyn FeatureExtractor,
    shape: ImageShape,
    count: usize,
    batch_size: usize,
    batch: &mut dyn FnMut(usize, usize) -> Result<Vec<u8>, EvalError>,
    workers: &Workers,
    progress: &mut dyn FnMut(usize) -> Result<(), EvalError>,
) -> Result<[Vec<Tensor>; 2], EvalError> {
    let (mut features, mut logits) = (Vec::new(), Vec::new());
    let size = |n: usize| [n, shape.channels, shape.height, shape.width].map(|side| side as i64);
    let batches = (0..count).step_by(batch_size);
    let part = workers.part(batches.len());
    for first in batches.skip(part.start).take(part.len()) {
        let last = (first + batch_size).min(count);
        let bytes = batch(first, last)?;
        let images = torch_ext::fence(|| Tensor::from_slice(&bytes).reshape(size(last - first)))?;
        let Features { features: rows, logits: scores } = extractor.features(&images)?;
        features.push(rows);
        logits.extend(scores);
        progress(last)?;
    }
    Ok([features, logits])
}
