//! Reading and writing of `unet/config.json`.

use super::Classes;
use crate::UNetConfig;
use serde_json::{Map, Value, json};

/// diffusers' keys of which one value is supported.
fn fixed_values() -> [(&'static str, Value); 6] {
    [
        ("center_input_sample", json!(false)),
        ("mid_block_type", json!("UNetMidBlock2D")),
        ("downsample_type", json!("conv")),
        ("upsample_type", json!("conv")),
        ("act_fn", json!("silu")),
        ("class_embed_type", Value::Null),
    ]
}

/// What diffusers' `EMAModel` adds about its averaging, which is over.
const AVERAGING: [&str; 7] =
    ["decay", "inv_gamma", "min_decay", "optimization_step", "power", "update_after_step", "use_ema_warmup"];

/// diffusers' value where the key is absent; null means one head.
const DIFFUSERS_HEAD_DIM: i64 = 8;

/// Reads diffusers' configuration. Keys that begin with `_` are diffusers' own notes.
pub(super) fn from_json(value: &Value) -> Result<UNetConfig, String> {
    let object = value.as_object().ok_or("expected a JSON object")?;
    if let Some(class) = object.get("_class_name").and_then(Value::as_str)
        && class != "UNet2DModel"
    {
        return Err(format!("_class_name {class} is not supported, expected UNet2DModel"));
    }
    let mut known: Map<String, Value> =
        object.iter().filter(|(key, _)| !key.starts_with('_')).map(|(k, v)| (k.clone(), v.clone())).collect();
    for (key, supported) in fixed_values() {
        if let Some(got) = known.remove(key)
            && got != supported
            && !(key == "act_fn" && got == "swish")
        {
            return Err(format!("{key} = {got} is not supported, expected {supported}"));
        }
    }
    known.entry("attention_head_dim").or_insert(json!(DIFFUSERS_HEAD_DIM));
    // Null stands for an absent key, where it means nothing else.
    known.retain(|key, value| !value.is_null() || key == "attention_head_dim");
    // Only learned time embeddings use the timesteps.
    for key in AVERAGING.into_iter().chain(["num_train_timesteps"]) {
        known.remove(key);
    }
    for key in ["down_block_types", "up_block_types"] {
        if let Some(Value::Array(types)) = known.get_mut(key) {
            for name in types {
                if let Some(short) = name.as_str().and_then(|n| n.strip_prefix("UNetRes")) {
                    *name = json!(short);
                }
            }
        }
    }
    if known.get("sample_size").is_none_or(Value::is_null) {
        return Err("sample_size is missing, expected the images' height and width".to_string());
    }
    // With the key in front, save where the text names it: unknown and missing ones.
    let config: UNetConfig = serde_path_to_error::deserialize(Value::Object(known)).map_err(|error| {
        let (key, reason) = (error.path().to_string(), error.inner().to_string());
        if reason.contains("field `") { reason } else { format!("{key}: {reason}") }
    })?;
    config.validate().map_err(|e| e.to_string())?;
    Ok(config)
}

/// Writes every key, so that a reader's defaults cannot change the model.
pub(super) fn to_json(config: &UNetConfig, classes: Option<&Classes>) -> Value {
    let mut object = Map::new();
    object.insert("_class_name".into(), json!("UNet2DModel"));
    object.insert("_diffusers_version".into(), json!(super::layout::DIFFUSERS_VERSION));
    for (key, value) in fixed_values() {
        object.insert(key.into(), value);
    }
    if let Ok(Value::Object(own)) = serde_json::to_value(config) {
        object.extend(own);
    }
    if let Some(classes) = classes {
        classes.state(&mut object);
    }
    Value::Object(object)
}
