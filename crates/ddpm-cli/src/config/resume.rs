//! Whether a run can resume under another configuration: only if everything that its weights depend on is the same.

use super::configuration::Configuration;
use anyhow::{Result, bail};
use std::path::Path;
use toml::Value;

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
