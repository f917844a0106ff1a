//! Checkpoints of U-Nets on images.
//!
//! ```text
//! DIR/model_index.json                                _class_name DDPMPipeline
//! DIR/unet/config.json                                UNet2DModel's configuration
//! DIR/unet/diffusion_pytorch_model.safetensors        weights (averaged, where training averages)
//! DIR/scheduler/scheduler_config.json                 the noising process, what the network predicts, how it is sampled
//! ```
//!
//! Read as well, as diffusers does: all files in DIR itself, weights in several files, and a variant such as fp16 where it is the only one.
//!
//! Models that diffusers cannot sample have the same layout under a pipeline class of our own: `EdmPipeline` (its parts are diffusers', a
//! `UNet2DModel` that predicts F and an `EDMEulerScheduler`) and `ImageScorePipeline` (a network that predicts the score).

use super::layout::{self, Part, index_path, network_path, report_average, scheduler_path};
use super::python_json::read_json;
use super::{Classes, Scheduler, unet_file};
use crate::{NetsError, UNet, UNetConfig};
use serde_json::Value;
use std::path::Path;
use tch::{Device, Tensor};

/// A trained model: the network, its noising process, and how its authors sample it.
#[derive(Debug)]
pub struct Checkpoint {
    /// The network, gradients of its weights off.
    pub network: UNet,
    /// The noising process, what the network predicts, and how it is sampled.
    pub scheduler: Scheduler,
    /// The classes of a class-conditional network.
    pub classes: Option<Classes>,
}

impl Checkpoint {
    /// Loads a pipeline directory onto a device. Anything missing, truncated or unsupported is an error that names the file.
    pub fn load(dir: &Path, device: Device) -> Result<Self, NetsError> {
        check_parts(&index_path(dir)?)?;
        report_average(dir);
        let config = read_unet_config(dir)?;
        let stated = read_json(&network_path(dir))?;
        let classes = config.num_class_embeds.map(|rows| Classes::read(dir, &stated, rows)).transpose()?;
        let scheduler = read_scheduler(dir)?;
        let network = torch_ext::fence(|| UNet::new(config, device, 0))??;
        layout::load_weights(dir, network.parameters())?;
        Ok(Checkpoint { network, scheduler, classes })
    }

    /// Writes a pipeline directory into `dir`, which must exist; `weights` are in the order of the network's parameters. The caller makes
    /// the directory appear under its final name once all is written.
    pub fn save(
        dir: &Path,
        network: &UNet,
        weights: &[Tensor],
        scheduler: &Scheduler,
        classes: Option<&Classes>,
    ) -> Result<(), NetsError> {
        let config = unet_file::to_json(network.config(), classes);
        let model = Part { library: "diffusers", class: "UNet2DModel", config };
        let pipeline = scheduler.pipeline_class();
        layout::write(dir, pipeline, &model, network.parameters(), weights, Some(&scheduler.part()))
    }
}

/// Requires a network and a scheduler, and refuses further networks: the latents of an autoencoder are no images.
fn check_parts(index: &Path) -> Result<(), NetsError> {
    let value = read_json(index)?;
    for part in ["unet", "scheduler"] {
        if value.get(part).is_none_or(Value::is_null) {
            let reason = format!("names no {part}, expected a pipeline such as DDPMPipeline");
            return Err(NetsError::format(index, reason));
        }
    }
    let is_part = |value: &Value| matches!(value, Value::Array(names) if names.iter().any(Value::is_string));
    let further = value
        .as_object()
        .into_iter()
        .flatten()
        .find(|(key, value)| !matches!(key.as_str(), "unet" | "scheduler") && is_part(value));
    if let Some((part, _)) = further {
        let class = value.get("_class_name").and_then(Value::as_str).unwrap_or("none");
        let reason =
            format!("{class} has the part {part}, expected a pipeline of a unet and a scheduler alone");
        return Err(NetsError::format(index, reason));
    }
    Ok(())
}

/// The scheduler of a pipeline directory.
pub fn read_scheduler(dir: &Path) -> Result<Scheduler, NetsError> {
    Scheduler::read(&scheduler_path(dir))
}

/// The network configuration of a pipeline directory.
pub fn read_unet_config(dir: &Path) -> Result<UNetConfig, NetsError> {
    let path = network_path(dir);
    unet_file::from_json(&read_json(&path)?).map_err(|reason| NetsError::format(&path, reason))
}
