//! `ddpm config`: list, show and check configurations.

use crate::config::{PRESETS, Preset, find, load};
use crate::global_options::Global;
use crate::output::print;
use anyhow::Result;

/// List, show and check configurations
#[derive(clap::Subcommand, Debug)]
pub(crate) enum ConfigCommand {
    /// List the presets with what a run of each costs
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
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        global.given.refuse(&["seed"], "on ddpm config, which runs nothing")?;
        match self {
            ConfigCommand::List => {
                let width = PRESETS.iter().map(|preset| preset.name.len()).max().unwrap_or(0);
                let line = |preset: &Preset| {
                    format!(
                        "{:width$}  {}\n{:width$}  Cost: {}.\n",
                        preset.name,
                        preset.summary(),
                        "",
                        preset.cost()
                    )
                };
                print(&PRESETS.iter().map(line).collect::<String>())
            }
            ConfigCommand::Show { name } => print(find(name)?.text),
            ConfigCommand::Check { file, set } => {
                let (_, config) = load(file, set)?;
                let parameters = config.parameters()?;
                print(&format!("{file}: valid, {parameters} parameters\n"))
            }
        }
    }
}
