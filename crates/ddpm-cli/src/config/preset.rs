//! Presets: the files of `configs/`, embedded in the binary.

use crate::serde_text::nearest;
use anyhow::{Result, bail};

/// A configuration with a name.
pub(crate) struct Preset {
    /// The name on the command line.
    pub(crate) name: &'static str,
    /// The file.
    pub(crate) text: &'static str,
}

macro_rules! presets {
    ($($name:literal),+ $(,)?) => {
        /// All presets, in the order in which they are listed.
        pub(crate) const PRESETS: &[Preset] = &[
            $(Preset { name: $name, text: include_str!(concat!("../../../../configs/", $name, ".toml")) }),+
        ];
    };
}

presets![
    "digits",
    "digits-classifier",
    "digits-ncsn",
    "digits-vpsde",
    "digits-vesde",
    "digits-ism",
    "fashion",
    "cifar10-small",
    "cifar10-ho2020",
    "cifar10-improved",
    "cifar10-edm",
    "cifar10-v",
    "cifar10-class-cfg",
    "cifar10-vpsde",
    "cifar10-vesde",
    "gmm2d-ddpm",
    "gmm2d-esm",
    "gmm2d-ism",
    "gmm2d-ssm",
    "gmm2d-dsm",
    "gmm2d-ebm",
    "gmm2d-vpsde",
    "gmm2d-vesde",
];

/// The preset of this name.
pub(crate) fn find(name: &str) -> Result<&'static Preset> {
    match PRESETS.iter().find(|preset| preset.name == name) {
        Some(preset) => Ok(preset),
        None => {
            let known: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
            let hint = nearest(name, &known).map_or(String::new(), |near| format!("; did you mean {near}?"));
            bail!("unknown preset {name:?}; expected one of {}, or a FILE.toml{hint}", known.join(", "))
        }
    }
}

impl Preset {
    /// The first line of the file's head comment.
    pub(crate) fn summary(&self) -> &'static str {
        self.text.lines().next().map_or("", |line| line.trim_start_matches('#').trim())
    }

    /// What a run costs, as the head comment says after `Cost:`.
    pub(crate) fn cost(&self) -> &'static str {
        let line = self.text.lines().find_map(|line| line.strip_prefix("# Cost: "));
        line.map_or("", |line| line.split(". ").next().unwrap_or(line).trim_end_matches('.'))
    }
}
