//! The configuration of a complete run: a preset or a TOML file, with changes from the command line.

mod changes;
mod preset;
#[cfg(test)]
mod recipes;
mod sections;

pub(crate) use changes::check_unchanged;
pub(crate) use preset::{PRESETS, find};
pub(crate) use sections::{DataConfig, DiffusionConfig, SampleConfig};

use crate::classifier::ClassifierRunConfig;
use crate::vectors::VectorConfig;
use anyhow::{Context, Result, anyhow, bail};
use ddpm_eval::EvalConfig;
use ddpm_nets::UNetConfig;
use ddpm_train::{ImageDiffusion, TrainConfig};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A complete run. Each section is documented where it is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Which images.
    pub(crate) data: DataConfig,
    /// The network.
    pub(crate) model: UNetConfig,
    /// The noising process and what the network predicts.
    #[serde(default)]
    pub(crate) diffusion: DiffusionConfig,
    /// How it is trained.
    #[serde(default)]
    pub(crate) train: TrainConfig,
    /// How it is sampled.
    #[serde(default)]
    pub(crate) sample: SampleConfig,
    /// What is measured.
    #[serde(default)]
    pub(crate) eval: EvalConfig,
}

/// A configuration and the name that its run takes by default.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    /// The preset, or the file's stem.
    pub(crate) name: String,
    /// The configuration.
    pub(crate) config: Config,
}

/// A configuration of one of the kinds of run, told apart by `[data]` (vectors) and `[classifier]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AnyConfig {
    /// Diffusion on images.
    Images(Box<Config>),
    /// Score matching on vectors.
    Vectors(Box<VectorConfig>),
    /// A classifier of noised images.
    Classifier(Box<ClassifierRunConfig>),
}

/// Loads a preset by name, or a file if the word ends in `.toml` or has a path separator, and applies `key=value` changes.
pub(crate) fn load(word: &str, changes: &[String]) -> Result<(String, AnyConfig)> {
    let is_file = word.ends_with(".toml") || word.contains(std::path::MAIN_SEPARATOR);
    let (name, text) = if is_file {
        let path = Path::new(word);
        let text = std::fs::read_to_string(path).with_context(|| word.to_string())?;
        let stem = path.file_stem().map_or_else(|| "run".into(), |stem| stem.to_string_lossy().into_owned());
        (stem, text)
    } else {
        (word.to_string(), find(word)?.text.to_string())
    };
    let config = parse_any(&text, changes).with_context(|| word.to_string())?;
    Ok((name, config))
}

/// Parses a configuration of any kind, applies changes, and checks every section.
pub(crate) fn parse_any(text: &str, changes: &[String]) -> Result<AnyConfig> {
    let table = changed_table(text, changes)?;
    let data = table.get("data").and_then(toml::Value::as_table);
    if data.is_some_and(|data| data.contains_key("target") || data.contains_key("file")) {
        let config: VectorConfig = table.try_into().map_err(|e| one_line(&e))?;
        config.validate()?;
        return Ok(AnyConfig::Vectors(Box::new(config)));
    }
    if table.contains_key("classifier") {
        let config: ClassifierRunConfig = table.try_into().map_err(|e| one_line(&e))?;
        config.validate()?;
        return Ok(AnyConfig::Classifier(Box::new(config)));
    }
    Ok(AnyConfig::Images(Box::new(typed(table)?)))
}

/// Parses a configuration of a run on images, applies changes, and checks every section.
pub(crate) fn parse(text: &str, changes: &[String]) -> Result<Config> {
    typed(changed_table(text, changes)?)
}

fn changed_table(text: &str, changes: &[String]) -> Result<toml::Table> {
    let mut table: toml::Table = text.parse().map_err(|e| one_line(&e))?;
    for change in changes {
        apply(&mut table, change)?;
    }
    Ok(table)
}

fn typed(table: toml::Table) -> Result<Config> {
    let config: Config = table.try_into().map_err(|e| one_line(&e))?;
    config.validate()?;
    Ok(config)
}

impl Config {
    /// Checks what each section can check by itself.
    fn validate(&self) -> Result<()> {
        self.data.validate()?;
        self.model.validate()?;
        self.train.validate()?;
        self.eval.validate()?;
        let scheduler = self.diffusion.scheduler()?;
        ImageDiffusion::check(&self.train, &self.model, &scheduler)?;
        self.sample.validate(scheduler.schedule()?.steps())
    }

    /// The whole configuration, defaults included.
    pub(crate) fn to_toml(&self) -> Result<String> {
        toml::to_string(self).context("the configuration cannot be written as TOML")
    }
}

/// `section.key=value`: the value is TOML, or a plain word.
fn apply(table: &mut toml::Table, change: &str) -> Result<()> {
    let (path, value) =
        change.split_once('=').ok_or_else(|| anyhow!("--set {change}: expected section.key=value"))?;
    let (path, value) = (path.trim(), value.trim());
    let parsed = format!("value = {value}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut t| t.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.to_string()));
    let keys: Vec<&str> = path.split('.').collect();
    let Some((last, sections)) = keys.split_last().filter(|(_, sections)| !sections.is_empty()) else {
        bail!("--set {change}: expected section.key=value");
    };
    let mut place = table;
    for section in sections {
        let entry = place.entry(*section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        place = entry.as_table_mut().ok_or_else(|| anyhow!("--set {change}: {section} is not a section"))?;
    }
    place.insert((*last).to_string(), parsed);
    Ok(())
}

/// toml's errors draw the offending line; an error here is one line that keeps the key and the reason.
fn one_line(error: &toml::de::Error) -> anyhow::Error {
    // Of a table that is being typed the whole text names the key; of a text that is no TOML it would draw the line.
    let text = if error.span().is_none() { error.to_string() } else { error.message().to_string() };
    anyhow!("{}", text.trim().replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid_and_survives_its_resolved_form() {
        for preset in PRESETS {
            let config = parse_any(preset.text, &[]).unwrap_or_else(|e| panic!("{}: {e:#}", preset.name));
            let resolved = match &config {
                AnyConfig::Images(config) => config.to_toml().unwrap(),
                AnyConfig::Vectors(config) => config.to_toml().unwrap(),
                AnyConfig::Classifier(config) => config.to_toml().unwrap(),
            };
            assert_eq!(parse_any(&resolved, &[]).unwrap(), config, "{}", preset.name);
        }
    }

    #[test]
    fn changes_take_toml_values_and_words() {
        let text = find("digits").unwrap().text;
        let changes = ["train.steps=7", "sample.sampler=ddpm", "train.ema.decay = 0.5"].map(String::from);
        let config = parse(text, &changes).unwrap();
        assert_eq!((config.train.steps, config.train.ema.decay), (7, 0.5));
        let wrong = |change: &str| format!("{:#}", parse(text, &[change.to_string()]).unwrap_err());
        assert!(wrong("train.stepz=7").contains("unknown field `stepz`"), "{}", wrong("train.stepz=7"));
        assert!(wrong("steps=7").contains("expected section.key=value"));
        assert!(wrong("train.steps").contains("expected section.key=value"));
        assert!(wrong("train.steps.x=1").contains("steps is not a section"));
        assert!(wrong("train.batch_size=0").contains("train.batch_size must be at least 1"));
        assert!(wrong("model.norm_num_groups=7").contains("model.norm_num_groups"));
        assert!(wrong("sample.steps=100000").contains("sample.steps"));
        for change in ["train.stepz=7", "train.steps=x", "data.name=mnist"] {
            assert!(!wrong(change).contains('\n'));
        }
    }
}
