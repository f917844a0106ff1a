//! The training state in a checkpoint, `state/`, from which a run resumes exactly.
//!
//! ```text
//! state/weights.safetensors       the weights themselves (unet/ has the averaged ones)
//! state/optimizer.safetensors     Adam's moments: exp_avg.NAME, exp_avg_sq.NAME
//! state/average-X.safetensors     further averages, if the configuration has any
//! state/state.json                steps done and skipped, threads, seed
//! state/config.toml               the run's configuration
//! state/times.safetensors         losses behind importance sampling of timesteps, where that is used
//! state/manifest.json             the digests of all files of the checkpoint
//! ```

use crate::{Adam, Averages, TrainError};
use ddpm_nets::{Parameters, tensor_file};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tch::Tensor;

/// Progress of a run, `state/state.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainingState {
    /// Optimizer steps done.
    pub step: u64,
    /// How many of them were skipped because of a non-finite loss or gradient.
    #[serde(default)]
    pub skipped: u64,
    /// CPU threads of the process that wrote it: another number gives other roundings.
    pub threads: i32,
    /// The run's seed.
    pub seed: u64,
}

const FOLDER: &str = "state";
const WEIGHTS: &str = "weights.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const PROGRESS: &str = "state.json";
const CONFIG: &str = "config.toml";

impl TrainingState {
    /// Reads the progress of a checkpoint.
    pub fn read(checkpoint: &Path) -> Result<Self, TrainError> {
        let path = checkpoint.join(FOLDER).join(PROGRESS);
        let text = std::fs::read_to_string(&path).map_err(TrainError::io(&path))?;
        serde_json::from_str(&text).map_err(|e| TrainError::State { path, reason: e.to_string() })
    }
}

/// The folder of a checkpoint that holds the training state.
pub(crate) fn folder(checkpoint: &Path) -> PathBuf {
    checkpoint.join(FOLDER)
}

/// Writes `state/` into a checkpoint that is being made.
pub(crate) fn save(
    checkpoint: &Path,
    state: &TrainingState,
    parameters: &Parameters,
    adam: &Adam,
    averages: &Averages,
    config: &str,
) -> Result<(), TrainError> {
    let folder = checkpoint.join(FOLDER);
    std::fs::create_dir(&folder).map_err(TrainError::io(&folder))?;
    let names = parameters.names();
    let weights = names.iter().map(String::as_str).zip(parameters.tensors());
    tensor_file::write(&folder.join(WEIGHTS), weights)?;

    let moments = moment_names(names);
    let tensors = adam.exp_avgs().iter().chain(adam.exp_avg_sqs());
    tensor_file::write(&folder.join(OPTIMIZER), moments.iter().map(String::as_str).zip(tensors))?;

    for average in averages.others() {
        let tensors = names.iter().map(String::as_str).zip(average.tensors());
        tensor_file::write(&folder.join(average_file(average.name())), tensors)?;
    }

    let path = folder.join(PROGRESS);
    let text = serde_json::to_string_pretty(state)
        .map_err(|e| TrainError::State { path: path.clone(), reason: e.to_string() })?;
    ddpm_data::atomic::write_bytes(&path, text.as_bytes())?;
    ddpm_data::atomic::write_bytes(folder.join(CONFIG), config.as_bytes())?;
    Ok(())
}

/// Restores weights, averages and moments from a checkpoint; returns its progress.
pub(crate) fn load(
    checkpoint: &Path,
    parameters: &Parameters,
    adam: &Adam,
    averages: &Averages,
) -> Result<TrainingState, TrainError> {
    let folder = checkpoint.join(FOLDER);
    let weights = folder.join(WEIGHTS);
    parameters.load(&tensor_file::read(&weights)?, &weights)?;

    let published = checkpoint.join("unet").join("diffusion_pytorch_model.safetensors");
    restore(&published, parameters.names(), averages.published().tensors())?;
    for average in averages.others() {
        restore(&folder.join(average_file(average.name())), parameters.names(), average.tensors())?;
    }

    let names = parameters.names();
    let moments: Vec<Tensor> =
        adam.exp_avgs().iter().chain(adam.exp_avg_sqs()).map(Tensor::shallow_clone).collect();
    restore(&folder.join(OPTIMIZER), &moment_names(names), &moments)?;
    TrainingState::read(checkpoint)
}

fn average_file(name: &str) -> String {
    format!("average-{name}.safetensors")
}

fn moment_names(names: &[String]) -> Vec<String> {
    let first = names.iter().map(|name| format!("exp_avg.{name}"));
    first.chain(names.iter().map(|name| format!("exp_avg_sq.{name}"))).collect()
}

/// Copies the named tensors of a file into `tensors`.
fn restore(path: &Path, names: &[String], tensors: &[Tensor]) -> Result<(), TrainError> {
    let file = tensor_file::read(path)?;
    for (name, tensor) in names.iter().zip(tensors) {
        let wrong = |reason: String| TrainError::State { path: path.to_path_buf(), reason };
        let value = file.get(name).ok_or_else(|| wrong(format!("tensor {name} is missing")))?;
        if value.size() != tensor.size() {
            return Err(wrong(format!(
                "tensor {name} has shape {:?}, expected {:?}",
                value.size(),
                tensor.size()
            )));
        }
        torch_ext::fence(|| tch::no_grad(|| tensor.shallow_clone().copy_(value)))?;
    }
    Ok(())
}
