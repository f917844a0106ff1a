//! The files of a pipeline directory: paths, JSON, weights.

use super::weight_files::{self, WEIGHTS};
use crate::{NetsError, Parameters, tensor_file};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tch::Tensor;

/// The release of diffusers whose file layout is written.
pub(super) const DIFFUSERS_VERSION: &str = "0.42.1";

/// `model_index.json` of a pipeline directory; the error says what the folder is instead.
pub(super) fn index_path(dir: &Path) -> Result<PathBuf, NetsError> {
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

const CONFIG: &str = "config.json";
const SCHEDULER_CONFIG: &str = "scheduler_config.json";

/// The folder of the network: `unet/`, or the pipeline's own where all files are in one folder, or `unet_ema/` where there is no other.
pub(super) fn network_folder(dir: &Path) -> PathBuf {
    let [unet, ema] = ["unet", "unet_ema"].map(|name| dir.join(name));
    let folders = [&unet, &dir.to_path_buf(), &ema].map(PathBuf::clone);
    folders.into_iter().find(|folder| folder.join(CONFIG).is_file()).unwrap_or(unet)
}

/// `unet/config.json`, or the one of [`network_folder`].
pub(super) fn network_path(dir: &Path) -> PathBuf {
    network_folder(dir).join(CONFIG)
}

/// `scheduler/scheduler_config.json`, or the one beside `model_index.json`.
pub(super) fn scheduler_path(dir: &Path) -> PathBuf {
    let (own, flat) = (dir.join("scheduler").join(SCHEDULER_CONFIG), dir.join(SCHEDULER_CONFIG));
    if !own.is_file() && flat.is_file() { flat } else { own }
}

/// Says which network is used where a folder has averaged weights of another program's training.
pub(super) fn report_average(dir: &Path) {
    if !dir.join("unet_ema").join(CONFIG).is_file() {
        return;
    }
    let used = network_folder(dir);
    if used.ends_with("unet_ema") {
        tracing::warn!(
            "{}: there is no unet/, so that the averaged weights in unet_ema/ are used",
            dir.display()
        );
    } else {
        tracing::warn!(
            "{}: {} is used, as DDPMPipeline does, and not the averaged weights in unet_ema/; to use those, rename the folders",
            dir.display(),
            used.strip_prefix(dir).unwrap_or(&used).display()
        );
    }
}

/// A part of a pipeline: the library and the class that `model_index.json` names, and its configuration file.
pub(super) struct Part {
    pub(super) library: &'static str,
    pub(super) class: &'static str,
    pub(super) config: Value,
}

/// Writes a pipeline directory of the named class into `dir`, which must exist; `weights` are in the order of the network's parameters. A network
/// on clean data has no scheduler.
pub(super) fn write(
    dir: &Path,
    pipeline: &str,
    network: &Part,
    parameters: &Parameters,
    weights: &[Tensor],
    scheduler: Option<&Part>,
) -> Result<(), NetsError> {
    let make = |folder: &Path| std::fs::create_dir_all(folder).map_err(NetsError::io(folder));
    let unet = dir.join("unet");
    make(&unet)?;
    let fixed = parameters.fixed().iter().map(|(name, tensor)| (name.as_str(), tensor));
    let trained = parameters.names().iter().map(String::as_str).zip(weights);
    tensor_file::write(&unet.join(WEIGHTS), trained.chain(fixed))?;
    write_json(&unet.join(CONFIG), &network.config)?;
    let mut index = json!({ "_class_name": pipeline });
    if network.library == "diffusers" {
        index["_diffusers_version"] = json!(DIFFUSERS_VERSION);
    }
    if let Some(scheduler) = scheduler {
        let folder = dir.join("scheduler");
        make(&folder)?;
        write_json(&folder.join(SCHEDULER_CONFIG), &scheduler.config)?;
        index["scheduler"] = json!([scheduler.library, scheduler.class]);
    }
    index["unet"] = json!([network.library, network.class]);
    write_json(&dir.join("model_index.json"), &index)
}

/// The files that a pipeline's network is read from: its configuration, and its weights.
pub fn network_files(dir: &Path) -> Result<Vec<PathBuf>, NetsError> {
    let mut files = vec![network_path(dir)];
    files.extend(weight_files::paths(&network_folder(dir))?);
    Ok(files)
}

/// Loads the weights of a pipeline directory into a network and switches their gradients off.
pub(super) fn load_weights(dir: &Path, parameters: &Parameters) -> Result<(), NetsError> {
    let (weights, path) = weight_files::read(&network_folder(dir))?;
    let weights = super::legacy_names::renamed(weights);
    torch_ext::fence(|| {
        // A sum is finite only if its terms are; f16 numbers could overflow it in their own kind.
        let sum = |tensor: &Tensor| tensor.sum(tch::Kind::Double).double_value(&[]);
        match weights.iter().find(|(_, tensor)| tensor.is_floating_point() && !sum(tensor).is_finite()) {
            Some((name, _)) => Err(NetsError::format(&path, format!("tensor {name} holds NaN or infinity"))),
            None => parameters.load(&weights, &path),
        }
    })??;
    parameters.set_requires_grad(false);
    Ok(())
}

fn write_json(path: &Path, value: &Value) -> Result<(), NetsError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| NetsError::format(path, e.to_string()))?;
    tensor_file::write_atomically(path, format!("{text}\n").as_bytes())
}
