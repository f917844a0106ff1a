//! Checkpoints: diffusers pipeline directories.
//!
//! ```text
//! DIR/model_index.json                                what the parts are
//! DIR/unet/config.json                                UNet2DModel's configuration
//! DIR/unet/diffusion_pytorch_model.safetensors        weights (averaged, where training averages)
//! DIR/scheduler/scheduler_config.json                 the noising process and what the network predicts
//! ```
//!
//! What diffusers cannot sample keeps the layout under a pipeline class of our own: `EdmPipeline` (its parts are diffusers': a `UNet2DModel` that
//! answers F, and an `EDMEulerScheduler`) and `ImageScorePipeline` (a network that predicts the score).
//!
//! `DDPMPipeline.from_pretrained(DIR)` loads what [`save`] wrote, and [`Checkpoint::load`] loads what diffusers wrote. Pickle is neither read
//! nor written.

mod class;
mod classifier;
mod legacy;
mod scheduler;
mod unet_config;
mod vectors;

pub use classifier::ClassifierCheckpoint;
pub use scheduler::{SchedulerConfig, VarianceType};
pub use vectors::VectorCheckpoint;

use crate::tensor_file::{self, TensorMap};
use crate::{NetsError, UNet, UNetConfig};
use ddpm_core::Schedule;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tch::{Device, Tensor};

/// The release of diffusers whose file layout is written.
const DIFFUSERS_VERSION: &str = "0.42.1";
const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";

/// A trained model: the network, its noising process, and how it is meant to be sampled.
#[derive(Debug)]
pub struct Checkpoint {
    /// The network, gradients off.
    pub network: UNet,
    /// The noising process and what the network predicts, as the file says.
    pub scheduler: SchedulerConfig,
    /// The levels that the scheduler's configuration stands for.
    pub schedule: Schedule,
}

impl Checkpoint {
    /// Loads a pipeline directory onto a device. Anything missing, truncated or unsupported is an error that names the file.
    pub fn load(dir: &Path, device: Device) -> Result<Self, NetsError> {
        let index = read_json(&index_path(dir)?)?;
        for part in ["unet", "scheduler"] {
            if index.get(part).is_none_or(Value::is_null) {
                let reason = format!("names no {part}, expected a pipeline such as DDPMPipeline");
                return Err(NetsError::format(&dir.join("model_index.json"), reason));
            }
        }
        let config = read_unet_config(dir)?;
        let scheduler = read_scheduler_config(dir)?;
        let schedule = scheduler.schedule()?;

        let weights_path = dir.join("unet").join(WEIGHTS);
        let weights = read_weights(&weights_path)?;
        let network = UNet::new(config, device, 0)?;
        network.parameters().load(&weights, &weights_path)?;
        network.parameters().set_requires_grad(false);
        Ok(Checkpoint { network, scheduler, schedule })
    }
}

/// The noising process of a pipeline directory.
pub fn read_scheduler_config(dir: &Path) -> Result<SchedulerConfig, NetsError> {
    let path = dir.join("scheduler").join("scheduler_config.json");
    SchedulerConfig::from_json(&read_json(&path)?).map_err(|reason| NetsError::format(&path, reason))
}

/// The network configuration of a pipeline directory.
pub fn read_unet_config(dir: &Path) -> Result<UNetConfig, NetsError> {
    let path = dir.join("unet").join("config.json");
    unet_config::from_json(&read_json(&path)?).map_err(|reason| NetsError::format(&path, reason))
}

/// Writes a pipeline directory into `dir`, which must exist. The caller makes the directory appear under its final name once all is written.
pub fn save<'a>(
    dir: &Path,
    config: &UNetConfig,
    weights: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    scheduler: &SchedulerConfig,
) -> Result<(), NetsError> {
    for part in ["unet", "scheduler"] {
        let folder = dir.join(part);
        std::fs::create_dir_all(&folder).map_err(NetsError::io(&folder))?;
    }
    tensor_file::write(&dir.join("unet").join(WEIGHTS), weights)?;
    write_json(&dir.join("unet").join("config.json"), &unet_config::to_json(config))?;
    write_json(&dir.join("scheduler").join("scheduler_config.json"), &scheduler.to_json())?;
    write_json(
        &dir.join("model_index.json"),
        &json!({
            "_class_name": scheduler.pipeline_class(),
            "_diffusers_version": DIFFUSERS_VERSION,
            "scheduler": ["diffusers", scheduler.class()],
            "unet": ["diffusers", "UNet2DModel"],
        }),
    )
}

fn index_path(dir: &Path) -> Result<PathBuf, NetsError> {
    let index = dir.join("model_index.json");
    if index.is_file() {
        return Ok(index);
    }
    let latest = dir.join("checkpoints").join("latest");
    let reason = if latest.join("model_index.json").is_file() {
        format!("is a run, not a checkpoint; use {}", latest.display())
    } else if dir.exists() {
        "has no model_index.json; expected a diffusers pipeline directory".to_string()
    } else {
        "does not exist; expected a diffusers pipeline directory".to_string()
    };
    Err(NetsError::format(dir, reason))
}

fn read_weights(path: &Path) -> Result<TensorMap, NetsError> {
    if !path.exists() && path.with_file_name("diffusion_pytorch_model.bin").exists() {
        let reason = "is missing beside a pickle file, which is not read; in Python: model.save_pretrained(DIR, safe_serialization=True)";
        return Err(NetsError::format(path, reason));
    }
    Ok(legacy::renamed(tensor_file::read(path)?))
}

fn read_json(path: &Path) -> Result<Value, NetsError> {
    let text = std::fs::read_to_string(path).map_err(NetsError::io(path))?;
    serde_json::from_str(&text).map_err(|e| NetsError::format(path, format!("not valid JSON ({e})")))
}

fn write_json(path: &Path, value: &Value) -> Result<(), NetsError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| NetsError::format(path, e.to_string()))?;
    tensor_file::write_atomically(path, format!("{text}\n").as_bytes())
}
