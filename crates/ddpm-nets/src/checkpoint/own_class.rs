//! Configuration files of classes that diffusers does not have: an object whose `_class_name` is checked on reading and stated on writing.

use super::layout::Part;
use super::python_json::read_json;
use crate::NetsError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::Path;

/// Reads a configuration of the named class.
pub(super) fn read<T: DeserializeOwned>(path: &Path, class: &str) -> Result<T, NetsError> {
    let mut value = read_json(path)?;
    let named = value.as_object_mut().and_then(|object| object.remove("_class_name"));
    if named.as_ref().and_then(Value::as_str) != Some(class) {
        let got = named.map_or_else(|| "none".to_string(), |name| name.to_string());
        return Err(NetsError::format(path, format!("_class_name: expected {class}, got {got}")));
    }
    serde_json::from_value(value).map_err(|e| NetsError::format(path, e.to_string()))
}

/// A configuration under the name of its class, as a part of a pipeline.
pub(super) fn part<T: Serialize>(path: &Path, class: &'static str, config: &T) -> Result<Part, NetsError> {
    let mut config = serde_json::to_value(config).map_err(|e| NetsError::format(path, e.to_string()))?;
    if let Some(object) = config.as_object_mut() {
        object.insert("_class_name".into(), json!(class));
    }
    Ok(Part { library: "ddpm", class, config })
}
