//! Checkpoints of score networks on vectors, for which diffusers has no classes.
//!
//! ```text
//! DIR/model_index.json                                _class_name ScorePipeline
//! DIR/unet/config.json                                _class_name MlpDenoiser, the network's configuration
//! DIR/unet/diffusion_pytorch_model.safetensors        weights (averaged)
//! DIR/scheduler/scheduler_config.json                 _class_name NoisingProcess, a schedule or a process in continuous time
//! ```

use super::layout::{self, index_path, network_path, scheduler_path};
use super::noising_file::NOISING_CLASS as NOISING;
use super::own_class;
use super::python_json::read_json;
use crate::{Mlp, MlpConfig, NetsError, ScoreNetwork};
use ddpm_core::{Noising, NoisingConfig, ProcessConfig, ScheduleConfig};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use tch::{Device, Tensor};

const PIPELINE: &str = "ScorePipeline";
const NETWORK: &str = "MlpDenoiser";

/// A trained network on vectors and its noising process.
#[derive(Debug)]
pub struct VectorCheckpoint {
    /// The network, gradients of its weights off.
    pub network: Mlp,
    /// The noising process as the file states it.
    pub config: NoisingConfig,
    /// The noising process.
    pub noising: Noising,
    /// The network was trained on data divided by this.
    pub data_scale: f64,
}

/// The keys of the scheduler's file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SchedulerKeys {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schedule: Option<ScheduleConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<ProcessConfig>,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    data_scale: f64,
}

fn one() -> f64 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_one(scale: &f64) -> bool {
    *scale == 1.0
}

impl VectorCheckpoint {
    /// Whether a pipeline directory holds a network on vectors.
    pub fn is_at(dir: &Path) -> Result<bool, NetsError> {
        let index = read_json(&index_path(dir)?)?;
        Ok(index.get("_class_name").and_then(Value::as_str) == Some(PIPELINE))
    }

    /// Loads such a directory onto a device. Anything missing, truncated or unknown is an error that names the file.
    pub fn load(dir: &Path, device: Device) -> Result<Self, NetsError> {
        let network_path = network_path(dir);
        let model: MlpConfig = own_class::read(&network_path, NETWORK)?;
        let path = scheduler_path(dir);
        let SchedulerKeys { schedule, process, data_scale } = own_class::read(&path, NOISING)?;
        let wrong = |reason: String| NetsError::format(&path, reason);
        let config = NoisingConfig::from_parts(schedule, process).map_err(|e| wrong(e.to_string()))?;
        if !(data_scale > 0.0 && data_scale.is_finite()) {
            return Err(wrong(format!("data_scale: expected a positive number, got {data_scale}")));
        }
        let noising = config.build().map_err(|e| NetsError::format(&path, e.to_string()))?;
        let network = torch_ext::fence(|| Mlp::new(model, device, 0))?
            .map_err(|e| NetsError::format(&network_path, e.to_string()))?;
        layout::load_weights(dir, network.parameters())?;
        Ok(VectorCheckpoint { network, config, noising, data_scale })
    }

    /// Writes such a directory into `dir`, which must exist; `weights` are in the order of the network's parameters,
    /// and the data were divided by `data_scale`.
    pub fn save(
        dir: &Path,
        network: &Mlp,
        weights: &[Tensor],
        noising: &NoisingConfig,
        data_scale: f64,
    ) -> Result<(), NetsError> {
        let model = own_class::part(&network_path(dir), NETWORK, network.config())?;
        let (schedule, process) = noising.clone().into_parts();
        let keys = SchedulerKeys { schedule, process, data_scale };
        let noising = own_class::part(&scheduler_path(dir), NOISING, &keys)?;
        layout::write(dir, PIPELINE, &model, network.parameters(), weights, Some(&noising))
    }
}
