//! A small classifier, trained on the data set itself, as a feature extractor.

use super::feature_extractor::{FeatureExtractor, Features, checked};
use crate::EvalError;
use ddpm_data::{ImageShape, sha256_file};
use ddpm_nets::checkpoint::ClassifierCheckpoint;
use ddpm_nets::pixels::from_u8;
use ddpm_nets::unet::NoiseClassifier;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// A classifier of clean images: its features are what its last layer reads.
#[derive(Debug)]
pub struct ClassifierFeatures {
    name: String,
    network: NoiseClassifier,
    device: Device,
}

impl ClassifierFeatures {
    /// Loads a classifier's checkpoint onto a device.
    pub fn load(dir: &Path, device: Device) -> Result<Self, EvalError> {
        // The folder of a run stands for its newest checkpoint.
        let latest = dir.join("checkpoints").join("latest");
        let dir = if latest.is_dir() { latest.as_path() } else { dir };
        let ClassifierCheckpoint { network, scheduler } = ClassifierCheckpoint::load(dir, device)?;
        if scheduler.is_some() {
            return Err(EvalError::extractor(
                dir.display(),
                "was trained on noised images, to guide a model; train one on clean images with `ddpm eval train-features`",
            ));
        }
        let digest = sha256_file(&dir.join("unet").join("diffusion_pytorch_model.safetensors"))?;
        let classes = network.config().num_classes;
        let name = format!("classifier of {classes} classes trained here (SHA-256 {})", &digest[..16]);
        Ok(ClassifierFeatures { name, network, device })
    }

    /// Share of images that the classifier assigns to their class, of logits [n, k] and one label an image.
    pub fn accuracy(logits: &Tensor, labels: &[i64]) -> Result<f64, EvalError> {
        let labels = Tensor::from_slice(labels);
        if labels.size()[0] != logits.size()[0] {
            return Err(EvalError::mismatch("labels", logits.size()[0], labels.size()[0]));
        }
        Ok(torch_ext::fence(|| {
            logits
                .argmax(1, false)
                .eq_tensor(&labels)
                .to_kind(Kind::Double)
                .mean(Kind::Double)
                .double_value(&[])
        })?)
    }
}

impl FeatureExtractor for ClassifierFeatures {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn check(&self, shape: ImageShape) -> Result<(), EvalError> {
        let config = self.network.config();
        let [height, width] = config.sample_size.height_width();
        let own = ImageShape::new(config.in_channels as usize, height as usize, width as usize);
        if shape == own {
            return Ok(());
        }
        Err(EvalError::extractor(
            &self.name,
            format!("takes images of {own} (channels, height, width), got {shape}"),
        ))
    }

    fn features(&self, images: &Tensor) -> Result<Features, EvalError> {
        let rows = images.size()[0];
        let (features, logits) = torch_ext::fence(|| {
            let x = from_u8(&images.to_device(self.device));
            let t = x.new_zeros([rows], (Kind::Float, self.device));
            tch::no_grad(|| {
                let features = self.network.features(&x, &t, false);
                let logits = self.network.log_probabilities_of(&features);
                (features, logits)
            })
        })?;
        Ok(Features {
            features: checked(&self.name, "features", rows, &features)?,
            logits: Some(checked(&self.name, "logits", rows, &logits)?),
        })
    }
}
