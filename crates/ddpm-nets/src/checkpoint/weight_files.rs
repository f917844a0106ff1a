//! The files that hold a network's weights, as diffusers' `save_pretrained` writes them:
//!
//! ```text
//! diffusion_pytorch_model.safetensors                      one file
//! diffusion_pytorch_model.safetensors.index.json           a list of several: {"weight_map": {tensor: file}}
//! diffusion_pytorch_model.fp16.safetensors                 a variant, taken where it is the only one (f16 and bf16 become f32)
//! diffusion_pytorch_model.safetensors.index.fp16.json      a variant in several files
//! ```

use super::python_json::read_json;
use crate::NetsError;
use crate::tensor_file::{self, TensorMap};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const STEM: &str = "diffusion_pytorch_model";
/// The file that is written.
pub(super) const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";
const INDEX: &str = "diffusion_pytorch_model.safetensors.index.json";
/// Endings of files that hold pickles or weights of other frameworks.
const OTHER_FORMATS: [&str; 5] = [".bin", ".pt", ".pth", ".ckpt", ".msgpack"];

/// All tensors of a network's folder, and the file to name in errors.
pub(super) fn read(folder: &Path) -> Result<(TensorMap, PathBuf), NetsError> {
    let path = find(folder)?;
    let tensors = if path.extension().is_some_and(|e| e == "json") {
        read_parts(&path)?
    } else {
        tensor_file::read(&path)?
    };
    Ok((tensors, path))
}

/// The files with the weights of a network's folder.
pub(super) fn paths(folder: &Path) -> Result<Vec<PathBuf>, NetsError> {
    let path = find(folder)?;
    if path.extension().is_none_or(|e| e != "json") {
        return Ok(vec![path]);
    }
    let files: BTreeSet<String> = list(&path)?.into_values().collect();
    Ok(files.into_iter().map(|file| path.with_file_name(file)).collect())
}

/// The one file, or the list of several.
fn find(folder: &Path) -> Result<PathBuf, NetsError> {
    for name in [WEIGHTS, INDEX] {
        let path = folder.join(name);
        if path.exists() {
            return Ok(path);
        }
    }
    let names: BTreeSet<String> = std::fs::read_dir(folder)
        .map_err(NetsError::io(folder))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let variants: Vec<&String> = names.iter().filter(|name| variant(name).is_some()).collect();
    let missing = |reason: String| Err(NetsError::format(&folder.join(WEIGHTS), reason));
    match variants[..] {
        [only] => {
            tracing::warn!("{}: its weights are the variant {only}", folder.display());
            return Ok(folder.join(only));
        }
        [first, second, ..] => {
            return missing(format!(
                "is missing beside the variants {first} and {second}; copy the one to use to this name"
            ));
        }
        [] => {}
    }
    if let Some(part) = names.iter().find(|name| name.starts_with(STEM) && name.contains("-of-")) {
        return missing(format!(
            "is missing, and {part} is a part of a list {INDEX} that is missing as well"
        ));
    }
    let other = names.iter().find(|name| OTHER_FORMATS.iter().any(|ending| name.ends_with(ending)));
    if let Some(other) = other {
        return missing(format!(
            "is missing beside {other}, a pickle or another framework's file, which is not read; in Python: \
             UNet2DModel.from_pretrained(DIR).save_pretrained(DIR, safe_serialization=True)"
        ));
    }
    missing("is missing; a network's folder holds config.json and its weights".into())
}

/// The variant of a file's name, such as `fp16`; none for files that are no variant, or a part of one.
fn variant(name: &str) -> Option<&str> {
    let of_index =
        name.strip_prefix(WEIGHTS).and_then(|rest| rest.strip_prefix(".index.")?.strip_suffix(".json"));
    let of_file =
        name.strip_prefix(STEM).and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".safetensors"));
    of_index.or(of_file).filter(|word| !word.is_empty() && !word.contains("-of-"))
}

/// A list of files: the file of each tensor.
fn list(index: &Path) -> Result<BTreeMap<String, String>, NetsError> {
    let value = read_json(index)?;
    let wrong = |reason: String| NetsError::format(index, reason);
    let map = value
        .get("weight_map")
        .and_then(Value::as_object)
        .ok_or_else(|| wrong("weight_map: expected an object of file names by tensor".into()))?;
    let mut files = BTreeMap::new();
    for (tensor, file) in map {
        // A name alone: a list must not lead out of its folder.
        let name = file.as_str().filter(|name| Path::new(name).file_name().is_some_and(|file| file == *name));
        let name = name.ok_or_else(|| {
            wrong(format!("weight_map.{tensor}: expected the name of a file beside it, got {file}"))
        })?;
        if !name.ends_with(".safetensors") {
            return Err(wrong(format!(
                "weight_map.{tensor}: {name} is no safetensors file, and others are not read"
            )));
        }
        files.insert(tensor.clone(), name.to_owned());
    }
    Ok(files)
}

/// The tensors of all files of a list.
fn read_parts(index: &Path) -> Result<TensorMap, NetsError> {
    let map = list(index)?;
    let mut tensors = TensorMap::new();
    for file in map.values().collect::<BTreeSet<_>>() {
        let part = tensor_file::read(&index.with_file_name(file))?;
        tensors.extend(part.into_iter().filter(|(tensor, _)| map.get(tensor) == Some(file)));
    }
    Ok(tensors)
}
