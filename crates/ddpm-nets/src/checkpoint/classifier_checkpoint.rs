//! Checkpoints of classifiers of images, for which diffusers has no classes: of noised images, which guide a model, and of clean images, whose
//! features compare sets of images.
//!
//! ```text
//! DIR/model_index.json                                _class_name NoiseClassifierPipeline or ImageClassifierPipeline
//! DIR/unet/config.json                                _class_name NoiseClassifier, the network's configuration
//! DIR/unet/diffusion_pytorch_model.safetensors        weights (averaged)
//! DIR/scheduler/scheduler_config.json                 the noising process it was trained under; none for clean images
//! ```

use super::layout::{self, index_path, network_path, scheduler_path};
use super::python_json::read_json;
use super::{Scheduler, own_class};
use crate::NetsError;
use crate::unet::{ClassifierConfig, NoiseClassifier};
use serde_json::Value;
use std::path::Path;
use tch::{Device, Tensor};

const NOISED: &str = "NoiseClassifierPipeline";
const CLEAN: &str = "ImageClassifierPipeline";
const NETWORK: &str = "NoiseClassifier";

/// A trained classifier and the noising process of its images.
#[derive(Debug)]
pub struct ClassifierCheckpoint {
    /// The network, gradients of its weights off.
    pub network: NoiseClassifier,
    /// The noising process, and how the network is told a noise level; none where it was trained on clean images, which have time 0.
    pub scheduler: Option<Scheduler>,
}

impl ClassifierCheckpoint {
    /// Loads such a directory onto a device. Anything missing, truncated or unknown is an error that names the file.
    pub fn load(dir: &Path, device: Device) -> Result<Self, NetsError> {
        let index = index_path(dir)?;
        let class =
            read_json(&index)?.get("_class_name").and_then(Value::as_str).unwrap_or("none").to_owned();
        if ![NOISED, CLEAN].contains(&class.as_str()) {
            let reason = format!("_class_name: expected {NOISED} or {CLEAN} (a classifier), got {class}");
            return Err(NetsError::format(&index, reason));
        }
        let path = network_path(dir);
        let config: ClassifierConfig = own_class::read(&path, NETWORK)?;
        let scheduler = if class == NOISED { Some(Scheduler::read(&scheduler_path(dir))?) } else { None };
        let network = torch_ext::fence(|| NoiseClassifier::new(config, device, 0))?
            .map_err(|e| NetsError::format(&path, e.to_string()))?;
        layout::load_weights(dir, network.parameters())?;
        Ok(ClassifierCheckpoint { network, scheduler })
    }

    /// Writes such a directory into `dir`, which must exist; `weights` are in the order of the network's parameters.
    pub fn save(
        dir: &Path,
        network: &NoiseClassifier,
        weights: &[Tensor],
        scheduler: Option<&Scheduler>,
    ) -> Result<(), NetsError> {
        let model = own_class::part(&network_path(dir), NETWORK, network.config())?;
        let pipeline = if scheduler.is_some() { NOISED } else { CLEAN };
        let scheduler = scheduler.map(Scheduler::part);
        layout::write(dir, pipeline, &model, network.parameters(), weights, scheduler.as_ref())
    }
}
