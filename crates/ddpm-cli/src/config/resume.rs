//! Whether a run can resume under another configuration: only if everything that its weights depend on is the same.

use super::configuration::Configuration;
use anyhow::{Result, bail};
use ddpm_train::{Decay, TrainConfig};
use std::path::Path;
use toml::Value;

/// The settings of `[train]` that the weights after a given step depend on; the others are at their defaults.
pub(super) fn trained_part(train: &TrainConfig) -> TrainConfig {
    let default = TrainConfig::default();
    TrainConfig {
        // A learning rate that decays towards the last step depends on which step that is.
        steps: if train.learning_rate_decay == Decay::Constant { default.steps } else { train.steps },
        checkpoint_every: default.checkpoint_every,
        keep_checkpoints: default.keep_checkpoints,
        keep_every: default.keep_every,
        log_every: default.log_every,
        skip_nonfinite: default.skip_nonfinite,
        sample_every: default.sample_every,
        validate_every: default.validate_every,
        ..train.clone()
    }
}

/// Refuses if `new` differs from the run's `old` configuration in anything that its weights depend on; the text names the keys.
pub(crate) fn check_unchanged<C: Configuration>(old: &C, new: &C, run: &Path) -> Result<()> {
    let part = |config: &C| Value::try_from(config.trained_part());
    let mut changed = Vec::new();
    differences("", Some(&part(old)?), Some(&part(new)?), &mut changed);
    if changed.is_empty() {
        return Ok(());
    }
    bail!(
        "{} was trained with another {}; choose another --run, or start over with ddpm reproduce --fresh",
        run.display(),
        changed.join(", ")
    )
}

/// Lists the keys below `path` whose values differ, as `key (new now, old then)`.
fn differences(path: &str, old: Option<&Value>, new: Option<&Value>, changed: &mut Vec<String>) {
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
        changed.push(format!("{path} ({} now, {} then)", text(new), text(old)));
    }
}
