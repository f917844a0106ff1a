//! The trait of feature extractors, and the checks that those with a network share.

use crate::EvalError;
use ddpm_data::ImageShape;
use tch::{Device, Tensor};

/// The features of some images.
#[derive(Debug)]
pub struct Features {
    /// [n, d] f32.
    pub features: Tensor,
    /// Unnormalized log-probabilities of classes [n, k] f32, where the extractor has any.
    pub logits: Option<Tensor>,
}

/// A map from images to feature vectors.
pub trait FeatureExtractor {
    /// What it is, as results state it: two sets are compared only by the same.
    fn name(&self) -> String;

    /// Checks that it takes images of a shape.
    fn check(&self, shape: ImageShape) -> Result<(), EvalError>;

    /// The features of images [n, channels, height, width] of bytes, on the device of the extractor.
    fn features(&self, images: &Tensor) -> Result<Features, EvalError>;
}

/// Grey images as three equal channels, which networks of colour images take; others as they are.
pub(super) fn in_three_channels(images: &Tensor) -> Tensor {
    if images.size()[1] == 1 { images.repeat([1, 3, 1, 1]) } else { images.shallow_clone() }
}

/// Checks that a network of colour images takes images of a shape: grey ones are repeated in three channels.
pub(super) fn check_colour(name: &str, shape: ImageShape) -> Result<(), EvalError> {
    if [1, 3].contains(&shape.channels) {
        return Ok(());
    }
    Err(EvalError::extractor(name, format!("takes images of 1 or 3 channels, got {shape}")))
}

/// Checks what a network returned for `rows` images, and brings it to f32 on the CPU.
pub(super) fn checked(name: &str, what: &str, rows: i64, values: &Tensor) -> Result<Tensor, EvalError> {
    let size = values.size();
    if size.len() != 2 || size[0] != rows || size[1] == 0 || !values.is_floating_point() {
        let reason = format!(
            "must return {what} [{rows}, d] of floating-point numbers, got {size:?} of kind {:?}",
            values.kind()
        );
        return Err(EvalError::extractor(name, reason));
    }
    let values = torch_ext::fence(|| values.to_kind(tch::Kind::Float).to_device(Device::Cpu))?;
    if torch_ext::fence(|| values.isfinite().all().int64_value(&[]))? == 0 {
        return Err(EvalError::extractor(name, format!("returned {what} with NaN or infinity")));
    }
    Ok(values)
}
