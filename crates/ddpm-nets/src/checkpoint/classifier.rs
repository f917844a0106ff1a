//! Checkpoints of classifiers of noised images, which diffusers has no name for: the folder of a pipeline, with classes of our own.
//!
//! ```text
//! DIR/model_index.json                                _class_name NoiseClassifierPipeline
//! DIR/unet/config.json                                _class_name NoiseClassifier, the network's configuration
//! DIR/unet/diffusion_pytorch_model.safetensors        weights (averaged)
//! DIR/scheduler/scheduler_config.json                 the noising process it was trained under
//! ```

use super::class::{read_class, write_class};
use super::{SchedulerConfig, WEIGHTS, index_path, read_json, write_json};
use crate::unet::{ClassifierConfig, NoiseClassifier};
use crate::{NetsError, tensor_file};
use serde_json::{Value, json};
use std::path::Path;
use tch::{Device, Tensor};

const PIPELINE: &str = "NoiseClassifierPipeline";
const NETWORK: &str = "NoiseClassifier";

/// A trained classifier and its noising process.
#[derive(Debug)]
pub struct ClassifierCheckpoint {
    /// The network, gradients of its weights off.
    pub network: NoiseClassifier,
    /// The noising process: how the classifier knows a level.
    pub scheduler: SchedulerConfig,
}

impl ClassifierCheckpoint {
    /// Loads such a directory onto a device. Anything missing, truncated or unknown is an error that names the file.
    pub fn load(dir: &Path, device: Device) -> Result<Self, NetsError> {
        let index = index_path(dir)?;
        let class =
            read_json(&index)?.get("_class_name").and_then(Value::as_str).unwrap_or("none").to_owned();
        if class != PIPELINE {
            let reason =
                format!("_class_name: expected {PIPELINE} (a classifier of noised images), got {class}");
            return Err(NetsError::format(&index, reason));
        }
        let path = dir.join("unet").join("config.json");
        let config: ClassifierConfig = read_class(&path, NETWORK)?;
        let scheduler_path = dir.join("scheduler").join("scheduler_config.json");
        let scheduler = SchedulerConfig::from_json(&read_json(&scheduler_path)?)
            .map_err(|reason| NetsError::format(&scheduler_path, reason))?;
        let weights_path = dir.join("unet").join(WEIGHTS);
        let weights = tensor_file::read(&weights_path)?;
        let network = torch_ext::fence(|| NoiseClassifier::new(config, device, 0))?
            .map_err(|e| NetsError::format(&path, e.to_string()))?;
        torch_ext::fence(|| network.parameters().load(&weights, &weights_path))??;
        network.parameters().set_requires_grad(false);
        Ok(ClassifierCheckpoint { network, scheduler })
    }

    /// Writes such a directory into `dir`, which must exist; `weights` are in the order of the network's parameters.
    pub fn save(
        dir: &Path,
        network: &NoiseClassifier,
        weights: &[Tensor],
        scheduler: &SchedulerConfig,
    ) -> Result<(), NetsError> {
        for part in ["unet", "scheduler"] {
            let folder = dir.join(part);
            std::fs::create_dir_all(&folder).map_err(NetsError::io(&folder))?;
        }
        let names = network.parameters().names().iter().map(String::as_str);
        tensor_file::write(&dir.join("unet").join(WEIGHTS), names.zip(weights))?;
        write_class(&dir.join("unet").join("config.json"), NETWORK, network.config())?;
        write_json(&dir.join("scheduler").join("scheduler_config.json"), &scheduler.to_json())?;
        let index = json!({
            "_class_name": PIPELINE,
            "scheduler": ["diffusers", scheduler.class()],
            "unet": ["ddpm", NETWORK],
        });
        write_json(&dir.join("model_index.json"), &index)
    }
}
