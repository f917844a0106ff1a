//! Checkpoints of networks on vectors, which diffusers has no name for: the folder of a pipeline, with classes of our own.
//!
//! ```text
//! DIR/model_index.json                                _class_name ScorePipeline
//! DIR/unet/config.json                                _class_name MlpDenoiser, the network's configuration
//! DIR/unet/diffusion_pytorch_model.safetensors        weights (averaged)
//! DIR/scheduler/scheduler_config.json                 _class_name NoisingProcess, a schedule or a process in continuous time
//! ```

use super::class::{read_class, write_class};
use super::{WEIGHTS, index_path, read_json, write_json};
use crate::{Mlp, MlpConfig, NetsError, ScoreNetwork, tensor_file};
use ddpm_core::{Noising, NoisingConfig};
use serde_json::{Value, json};
use std::path::Path;
use tch::{Device, Tensor};

const PIPELINE: &str = "ScorePipeline";
const NETWORK: &str = "MlpDenoiser";
const NOISING: &str = "NoisingProcess";

/// A trained network on vectors and its noising process.
#[derive(Debug)]
pub struct VectorCheckpoint {
    /// The network, gradients off.
    pub network: Mlp,
    /// How its data were noised, as the file says.
    pub config: NoisingConfig,
    /// The levels that this stands for.
    pub noising: Noising,
}

impl VectorCheckpoint {
    /// Whether a pipeline directory holds a network on vectors.
    pub fn is_at(dir: &Path) -> Result<bool, NetsError> {
        let index = read_json(&index_path(dir)?)?;
        Ok(index.get("_class_name").and_then(Value::as_str) == Some(PIPELINE))
    }

    /// Loads such a directory onto a device. Anything missing, truncated or unknown is an error that names the file.
    pub fn load(dir: &Path, device: Device) -> Result<Self, NetsError> {
        let network_path = dir.join("unet").join("config.json");
        let model: MlpConfig = read_class(&network_path, NETWORK)?;
        let path = dir.join("scheduler").join("scheduler_config.json");
        let config: NoisingConfig = read_class(&path, NOISING)?;
        let noising = config.build().map_err(|e| NetsError::format(&path, e.to_string()))?;
        let weights_path = dir.join("unet").join(WEIGHTS);
        let weights = tensor_file::read(&weights_path)?;
        let network = torch_ext::fence(|| Mlp::new(model, device, 0))?
            .map_err(|e| NetsError::format(&network_path, e.to_string()))?;
        torch_ext::fence(|| network.parameters().load(&weights, &weights_path))??;
        network.parameters().set_requires_grad(false);
        Ok(VectorCheckpoint { network, config, noising })
    }

    /// Writes such a directory into `dir`, which must exist; `weights` are in the order of the network's parameters.
    pub fn save(
        dir: &Path,
        network: &Mlp,
        weights: &[Tensor],
        noising: &NoisingConfig,
    ) -> Result<(), NetsError> {
        for part in ["unet", "scheduler"] {
            let folder = dir.join(part);
            std::fs::create_dir_all(&folder).map_err(NetsError::io(&folder))?;
        }
        let names = network.parameters().names().iter().map(String::as_str);
        tensor_file::write(&dir.join("unet").join(WEIGHTS), names.zip(weights))?;
        write_class(&dir.join("unet").join("config.json"), NETWORK, network.config())?;
        write_class(&dir.join("scheduler").join("scheduler_config.json"), NOISING, noising)?;
        let index = json!({
            "_class_name": PIPELINE,
            "scheduler": ["ddpm", NOISING],
            "unet": ["ddpm", NETWORK],
        });
        write_json(&dir.join("model_index.json"), &index)
    }
}
