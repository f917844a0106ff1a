//! The files of a pipeline directory: paths, JSON, weights.

use crate::{NetsError, Parameters, tensor_file};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tch::Tensor;

/// The release of diffusers whose file layout is written.
pub(super) const DIFFUSERS_VERSION: &str = "0.42.1";
const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";

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

/// `unet/config.json`.
pub(super) fn network_path(dir: &Path) -> PathBuf {
    dir.join("unet").join("config.json")
}

/// `unet/diffusion_pytorch_model.safetensors`.
pub(super) fn weights_path(dir: &Path) -> PathBuf {
    dir.join("unet").join(WEIGHTS)
}

/// `scheduler/scheduler_config.json`.
pub(super) fn scheduler_path(dir: &Path) -> PathBuf {
    dir.join("scheduler").join("scheduler_config.json")
}

/// A part of a pipeline: the library and the class that `model_index.json` names, and its configuration file.
pub(super) struct Part {
    pub(super) library: &'static str,
    pub(super) class: &'static str,
    pub(super) config: Value,
}

/// Writes a pipeline directory of the named class into `dir`, which must exist; `weights` are in the order of the network's parameters.
pub(super) fn write(
    dir: &Path,
    pipeline: &str,
    network: &Part,
    parameters: &Parameters,
    weights: &[Tensor],
    scheduler: &Part,
) -> Result<(), NetsError> {
    for part in ["unet", "scheduler"] {
        let folder = dir.join(part);
        std::fs::create_dir_all(&folder).map_err(NetsError::io(&folder))?;
    }
    tensor_file::write(&weights_path(dir), parameters.names().iter().map(String::as_str).zip(weights))?;
    write_json(&network_path(dir), &network.config)?;
    write_json(&scheduler_path(dir), &scheduler.config)?;
    let mut index = json!({ "_class_name": pipeline });
    if network.library == "diffusers" {
        index["_diffusers_version"] = json!(DIFFUSERS_VERSION);
    }
    index["scheduler"] = json!([scheduler.library, scheduler.class]);
    index["unet"] = json!([network.library, network.class]);
    write_json(&dir.join("model_index.json"), &index)
}

/// Loads the weights of a pipeline directory into a network and switches their gradients off.
pub(super) fn load_weights(dir: &Path, parameters: &Parameters) -> Result<(), NetsError> {
    let path = weights_path(dir);
    if !path.exists() && path.with_file_name("diffusion_pytorch_model.bin").exists() {
        let reason = "is missing beside a pickle file, which is not read; in Python: model.save_pretrained(DIR, safe_serialization=True)";
        return Err(NetsError::format(&path, reason));
    }
    let weights = super::legacy_names::renamed(tensor_file::read(&path)?);
    torch_ext::fence(|| parameters.load(&weights, &path))??;
    parameters.set_requires_grad(false);
    Ok(())
}

/// Reads a JSON file as Python writes it: bare `NaN` and `Infinity` become strings, which no numeric key accepts.
pub(super) fn read_json(path: &Path) -> Result<Value, NetsError> {
    let text = std::fs::read_to_string(path).map_err(NetsError::io(path))?;
    serde_json::from_str(&quoted(&text)).map_err(|e| NetsError::format(path, format!("not valid JSON ({e})")))
}

fn write_json(path: &Path, value: &Value) -> Result<(), NetsError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| NetsError::format(path, e.to_string()))?;
    tensor_file::write_atomically(path, format!("{text}\n").as_bytes())
}

/// The text with quotes around the bare words `NaN`, `Infinity` and `-Infinity`.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Every second piece between unescaped quotes is a string.
    let (mut inside, mut start) = (false, 0);
    let bytes = text.as_bytes();
    let outside = |piece: &str| {
        let marked = piece.replace("-Infinity", "\"-inf\"").replace("NaN", "\"nan\"");
        marked.replace("Infinity", "\"inf\"")
    };
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if inside => at += 1,
            b'"' => {
                let piece = &text[start..at];
                out.push_str(&if inside { piece.to_owned() } else { outside(piece) });
                out.push('"');
                (inside, start) = (!inside, at + 1);
            }
            _ => {}
        }
        at += 1;
    }
    let rest = &text[start.min(text.len())..];
    out.push_str(&if inside { rest.to_owned() } else { outside(rest) });
    out
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn bare_words_of_python_are_quoted_and_strings_stay() {
        let text = r#"{"a": -Infinity, "b": [NaN, Infinity], "NaN \" Infinity": "Infinity", "c": 1}"#;
        let expected = r#"{"a": "-inf", "b": ["nan", "inf"], "NaN \" Infinity": "Infinity", "c": 1}"#;
        assert_eq!(quoted(text), expected);
        assert_eq!(quoted("{\"a"), "{\"a");
    }
}
