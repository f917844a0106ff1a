//! A TorchScript module as a feature extractor.

use super::feature_extractor::{FeatureExtractor, Features, check_colour, checked, in_three_channels};
use crate::EvalError;
use ddpm_data::{ImageShape, sha256_file};
use std::path::Path;
use tch::{CModule, Device, Tensor};
use torch_ext::TorchError;

/// A module that maps images [n, 3, h, w] of kind uint8 to features [n, d].
#[derive(Debug)]
pub struct TorchScriptFeatures {
    name: String,
    module: CModule,
    device: Device,
}

impl TorchScriptFeatures {
    /// Loads a module onto a device.
    pub fn load(path: &Path, device: Device) -> Result<Self, EvalError> {
        let module = load_module(path, device)?;
        let digest = sha256_file(path)?;
        let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        Ok(TorchScriptFeatures {
            name: format!("torchscript {file} (SHA-256 {})", &digest[..16]),
            module,
            device,
        })
    }
}

impl FeatureExtractor for TorchScriptFeatures {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn check(&self, shape: ImageShape) -> Result<(), EvalError> {
        check_colour(&self.name, shape)
    }

    fn features(&self, images: &Tensor) -> Result<Features, EvalError> {
        let input = torch_ext::fence(|| in_three_channels(images).to_device(self.device))?;
        let values = tch::no_grad(|| self.module.forward_ts(&[input]));
        let values = values.map_err(|error| failed(&self.name, &error))?;
        Ok(Features { features: checked(&self.name, "features", images.size()[0], &values)?, logits: None })
    }
}

/// Loads a module in evaluation mode.
pub(super) fn load_module(path: &Path, device: Device) -> Result<CModule, EvalError> {
    let refuse = |reason: String| EvalError::extractor(path.display(), reason);
    if !path.is_file() {
        return Err(refuse("no such file; expected a TorchScript module".into()));
    }
    let mut module = CModule::load_on_device(path, device)
        .map_err(|error| refuse(format!("not a TorchScript module ({})", TorchError::from(error))))?;
    module.f_set_eval().map_err(TorchError::from)?;
    Ok(module)
}

/// A call that libtorch refused.
pub(super) fn failed(name: &str, error: &tch::TchError) -> EvalError {
    // Of a script's error the last line says what went wrong; the first ones are where.
    let text = error.to_string();
    let line = text.lines().rev().find(|line| line.contains("Error") || line.contains("expected"));
    let line = line
        .map_or_else(|| text.lines().next().unwrap_or_default().to_string(), |line| line.trim().to_string());
    EvalError::extractor(name, format!("does not take images [n, 3, h, w] of kind uint8 ({line})"))
}
