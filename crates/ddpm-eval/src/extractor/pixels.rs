//! The values of the pixels as features.

use super::feature_extractor::{FeatureExtractor, Features};
use crate::EvalError;
use ddpm_data::ImageShape;
use tch::{Kind, Tensor};

/// The bytes of an image as its feature vector, 0 to 255. A Fréchet distance of pixels compares the means and covariances of two sets.
#[derive(Clone, Copy, Debug)]
pub struct PixelFeatures;

impl FeatureExtractor for PixelFeatures {
    fn name(&self) -> String {
        "pixels".into()
    }

    fn check(&self, _shape: ImageShape) -> Result<(), EvalError> {
        Ok(())
    }

    fn features(&self, images: &Tensor) -> Result<Features, EvalError> {
        let features =
            torch_ext::fence(|| images.flatten(1, -1).to_kind(Kind::Float).to_device(tch::Device::Cpu))?;
        Ok(Features { features, logits: None })
    }
}
