//! `ddpm config`: presets and files.

use crate::config::{AnyConfig, PRESETS, find, load};
use anyhow::Result;
use ddpm_nets::unet::NoiseClassifier;
use ddpm_nets::{Mlp, ScoreNetwork, UNet};
use tch::Device;

/// List, show and check configurations
#[derive(clap::Subcommand, Debug)]
pub(crate) enum ConfigCommand {
    /// List the presets, a line each
    List,
    /// Print a preset, as a file to start from
    #[command(after_help = "Example:\n  ddpm config show digits > mine.toml")]
    Show {
        /// The preset
        name: String,
    },
    /// Check a file: every key, every range, and that the network exists
    Check {
        /// The file, or a preset's name
        file: String,
        /// Change a setting first
        #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
        set: Vec<String>,
    },
}

impl ConfigCommand {
    pub(crate) fn run(&self) -> Result<()> {
        match self {
            ConfigCommand::List => {
                let width = PRESETS.iter().map(|preset| preset.name.len()).max().unwrap_or(0);
                for preset in PRESETS {
                    println!("{:width$}  {}", preset.name, preset.summary());
                }
            }
            ConfigCommand::Show { name } => print!("{}", find(name)?.text),
            ConfigCommand::Check { file, set } => {
                let (_, config) = load(file, set)?;
                let parameters = match config {
                    AnyConfig::Images(config) => {
                        UNet::new(config.model, Device::Cpu, 0)?.parameters().count()
                    }
                    AnyConfig::Classifier(config) => {
                        NoiseClassifier::new(config.classifier, Device::Cpu, 0)?.parameters().count()
                    }
                    AnyConfig::Vectors(config) => {
                        Mlp::new(config.model, Device::Cpu, 0)?.parameters().count()
                    }
                };
                println!("{file}: valid, {parameters} parameters");
            }
        }
        Ok(())
    }
}
