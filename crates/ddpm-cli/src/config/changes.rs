//! Whether a run can go on under another configuration.

use anyhow::{Result, bail};
use ddpm_train::{Decay, TrainConfig};
use serde::Serialize;
use toml::Value;

/// Keys that do not change what has been trained so far, or that are read afresh each time.
const HARMLESS: [&str; 12] = [
    "train.steps",
    "train.checkpoint_every",
    "train.keep_checkpoints",
    "train.keep_every",
    "train.log_every",
    "train.skip_nonfinite",
    "train.sample_every",
    "train.validate_every",
    "data.dir",
    "data.stream",
    "sample",
    "eval",
];

/// Refuses if `new` differs from the run's `old` configuration in anything that its training depends on; the text names the keys.
///
/// `train` is the old `[train]`.
pub(crate) fn check_unchanged<T: Serialize>(
    old: &T,
    new: &T,
    train: &TrainConfig,
    run: &std::path::Path,
) -> Result<()> {
    // A learning rate that decays towards the last step depends on which step that is.
    let length_matters = train.learning_rate_decay != Decay::Constant;
    let (old, new) = (Value::try_from(old)?, Value::try_from(new)?);
    let mut changed = Vec::new();
    differences("", Some(&old), Some(&new), &mut changed);
    changed.retain(|(key, _)| {
        let free = HARMLESS.iter().any(|free| key == free || key.starts_with(&format!("{free}.")));
        !free || (length_matters && key == "train.steps")
    });
    if changed.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = changed.into_iter().map(|(key, change)| format!("{key} ({change})")).collect();
    bail!(
        "{} was trained with another {}; choose another --run, or start over with ddpm reproduce --fresh",
        run.display(),
        list.join(", ")
    )
}

fn differences(path: &str, old: Option<&Value>, new: Option<&Value>, changed: &mut Vec<(String, String)>) {
    if let (Some(Value::Table(old)), Some(Value::Table(new))) = (old, new) {
        let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            differences(&below, old.get(key), new.get(key), changed);
        }
    } else if old != new {
        let text = |value: Option<&Value>| value.map_or_else(|| "absent".to_string(), Value::to_string);
        changed.push((path.to_string(), format!("{} now, {} then", text(new), text(old))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{find, parse};
    use std::path::Path;

    #[test]
    fn only_what_training_depends_on_is_refused_and_named() {
        let text = find("digits").unwrap().text;
        let with = |changes: &[&str]| {
            parse(text, &changes.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
        };
        let base = with(&[]);
        let run = Path::new("runs/x");
        check_unchanged(&base, &with(&["train.steps=9", "sample.num=3", "eval.levels=4"]), &base.train, run)
            .unwrap();
        let changed = with(&["train.learning_rate=0.5", "model.attention_head_dim=8"]);
        let error = check_unchanged(&base, &changed, &base.train, run).unwrap_err().to_string();
        assert!(error.contains("train.learning_rate (0.5 now"), "{error}");
        assert!(error.contains("model.attention_head_dim"), "{error}");

        let decaying = with(&["train.learning_rate_decay=cosine"]);
        let longer = with(&["train.learning_rate_decay=cosine", "train.steps=9", "train.keep_every=3"]);
        let error = check_unchanged(&decaying, &longer, &decaying.train, run).unwrap_err().to_string();
        assert!(error.contains("train.steps (9 now") && !error.contains("keep_every"), "{error}");
    }
}
