//! Configuration of a run: a preset or a TOML file, with changes from the command line. What is trained decides which sections there are.

mod classifier_config;
mod configuration;
mod data_config;
mod diffusion_config;
mod image_config;
mod preset;
#[cfg(test)]
mod preset_tests;
mod quality_config;
mod resume;
mod sample_config;
mod size_limits;
mod table;
#[cfg(test)]
mod tests;
mod vector_config;

pub(crate) use classifier_config::ClassifierConfig;
pub(crate) use configuration::Configuration;
pub(crate) use data_config::ImageData;
pub(crate) use image_config::ImageConfig;
pub(crate) use preset::{PRESETS, Preset, find};
pub(crate) use quality_config::{FEWEST_SPLIT, QualityConfig, QualityExtractor};
pub(crate) use resume::check_unchanged;
pub(crate) use vector_config::VectorConfig;

use crate::text_file;
use anyhow::{Context, Result, bail};
use std::path::Path;
use toml::{Table, Value};

/// A configuration of one of the kinds of run. `[data]` with a target makes it one on vectors, `[classifier]` one of a classifier.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RunConfig {
    /// Diffusion on images.
    Images(Box<ImageConfig>),
    /// Score matching on vectors.
    Vectors(Box<VectorConfig>),
    /// A classifier of noised images.
    Classifier(Box<ClassifierConfig>),
}

/// Loads a preset by name, or a file if the word ends in `.toml` or has a path separator, and applies `key=value` changes. Returns the name
/// that the run takes by default, too: the preset's, or the file's stem.
pub(crate) fn load(word: &str, changes: &[String]) -> Result<(String, RunConfig)> {
    let is_file = word.ends_with(".toml") || word.contains(std::path::MAIN_SEPARATOR);
    let (name, text) = if is_file {
        let path = Path::new(word);
        let text = text_file::read(path)?;
        let stem = path.file_stem().map_or_else(|| "run".into(), |stem| stem.to_string_lossy().into_owned());
        (stem, text)
    } else {
        (word.to_string(), find(word)?.text.to_string())
    };
    let config = RunConfig::parse(&text, changes).with_context(|| word.to_string())?;
    Ok((name, config))
}

/// Parses the configuration of one kind of run, without changes; one of another kind is an error.
pub(crate) fn parse_as<C: Configuration>(text: &str) -> Result<C> {
    let table = table::parse(text, &[])?;
    let trains = match kind(&table) {
        Kind::Images => ImageConfig::TRAINS,
        Kind::Vectors => VectorConfig::TRAINS,
        Kind::Classifier => ClassifierConfig::TRAINS,
    };
    if trains != C::TRAINS {
        bail!("trains {trains}, not {}", C::TRAINS);
    }
    table::typed(table, text)
}

enum Kind {
    Images,
    Vectors,
    Classifier,
}

fn kind(table: &Table) -> Kind {
    let data = table.get("data").and_then(Value::as_table);
    let arrays = |data: &Table| data.get("name").and_then(Value::as_str) == Some("tensors");
    if data.is_some_and(|data| data.contains_key("target") || data.contains_key("file") || arrays(data)) {
        Kind::Vectors
    } else if table.contains_key("classifier") {
        Kind::Classifier
    } else {
        Kind::Images
    }
}

impl RunConfig {
    /// Parses a configuration of any kind, applies changes, and checks every section.
    pub(crate) fn parse(text: &str, changes: &[String]) -> Result<Self> {
        let table = table::parse(text, changes)?;
        Ok(match kind(&table) {
            Kind::Images => RunConfig::Images(Box::new(table::typed(table, text)?)),
            Kind::Vectors => RunConfig::Vectors(Box::new(table::typed(table, text)?)),
            Kind::Classifier => RunConfig::Classifier(Box::new(table::typed(table, text)?)),
        })
    }

    /// Number of parameters of the network.
    pub(crate) fn parameters(&self) -> Result<u64> {
        match self {
            RunConfig::Images(config) => config.parameters(),
            RunConfig::Vectors(config) => config.parameters(),
            RunConfig::Classifier(config) => config.parameters(),
        }
    }
}
