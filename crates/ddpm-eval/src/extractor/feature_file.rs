//! Files of features: `features` [n, d] f32 and, where the extractor has classes, `logits` [n, k], with what they are of in the metadata.

use super::extraction::FeatureSet;
use crate::EvalError;
use ddpm_nets::tensor_file;
use std::path::Path;
use tch::Tensor;

const FEATURES: &str = "features";
const LOGITS: &str = "logits";
const EXTRACTOR: &str = "extractor";
const IMAGES: &str = "images";

/// Features with their origin.
#[derive(Debug)]
pub struct FeatureFile {
    /// The features.
    pub set: FeatureSet,
    /// The extractor's name.
    pub extractor: String,
    /// Which images.
    pub images: String,
}

impl FeatureFile {
    /// Writes the file.
    pub fn write(&self, path: &Path) -> Result<(), EvalError> {
        let tensors = [(FEATURES, Some(&self.set.features)), (LOGITS, self.set.logits.as_ref())];
        let tensors = tensors.into_iter().filter_map(|(name, tensor)| Some((name, tensor?)));
        let metadata = [(EXTRACTOR, self.extractor.as_str()), (IMAGES, self.images.as_str())];
        Ok(tensor_file::write_with(path, tensors, &metadata)?)
    }

    /// Reads a file; one of another program needs the tensors alone.
    pub fn read(path: &Path) -> Result<Self, EvalError> {
        let mut tensors = tensor_file::read(path)?;
        let mut metadata = tensor_file::metadata(path)?;
        let name = path.display().to_string();
        let features = tensors.remove(FEATURES).ok_or_else(|| {
            EvalError::extractor(
                &name,
                "has no tensor `features` [n, d]; `ddpm eval features` writes such files",
            )
        })?;
        let logits = tensors.remove(LOGITS);
        for (what, tensor) in [(FEATURES, Some(&features)), (LOGITS, logits.as_ref())] {
            let Some(tensor) = tensor else { continue };
            check(&name, what, tensor, features.size()[0])?;
        }
        Ok(FeatureFile {
            set: FeatureSet { features, logits },
            extractor: metadata.remove(EXTRACTOR).unwrap_or_else(|| "not stated".to_string()),
            images: metadata.remove(IMAGES).unwrap_or(name),
        })
    }
}

fn check(name: &str, what: &str, tensor: &Tensor, rows: i64) -> Result<(), EvalError> {
    let size = tensor.size();
    if size.len() != 2 || size[1] == 0 || size[0] != rows || !tensor.is_floating_point() {
        let reason = format!(
            "`{what}` must be [n, d] of floating-point numbers, got {size:?} of kind {:?}",
            tensor.kind()
        );
        return Err(EvalError::extractor(name, reason));
    }
    if size[0] < 2 {
        return Err(EvalError::extractor(
            name,
            format!("`{what}` must have at least 2 rows, got {}", size[0]),
        ));
    }
    if torch_ext::fence(|| tensor.isfinite().all().int64_value(&[]))? == 0 {
        return Err(EvalError::extractor(name, format!("`{what}` holds NaN or infinity")));
    }
    Ok(())
}
