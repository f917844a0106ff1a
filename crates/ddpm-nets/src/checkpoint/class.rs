//! Configuration files of classes of our own: an object whose `_class_name` is checked on reading and stated on writing.

use super::{read_json, write_json};
use crate::NetsError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::Path;

/// Reads a configuration of the named class.
pub(super) fn read_class<T: DeserializeOwned>(path: &Path, class: &str) -> Result<T, NetsError> {
    let mut value = read_json(path)?;
    let named = value.as_object_mut().and_then(|object| object.remove("_class_name"));
    if named.as_ref().and_then(Value::as_str) != Some(class) {
        let got = named.map_or_else(|| "none".to_string(), |name| name.to_string());
        return Err(NetsError::format(path, format!("_class_name: expected {class}, got {got}")));
    }
    serde_json::from_value(value).map_err(|e| NetsError::format(path, e.to_string()))
}

/// Writes a configuration under the name of its class.
pub(super) fn write_class<T: Serialize>(path: &Path, class: &str, config: &T) -> Result<(), NetsError> {
    let mut value = serde_json::to_value(config).map_err(|e| NetsError::format(path, e.to_string()))?;
    if let Some(object) = value.as_object_mut() {
        object.insert("_class_name".into(), json!(class));
    }
    write_json(path, &value)
}
