//! Command-line arguments of `ddpm reproduce`: a whole run, from data to report.

use super::run_options::RunOptions;
use crate::global_options::Global;
use anyhow::Result;

/// Data, training, samples, evaluation and report in one go; prints the report's path
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  ddpm reproduce digits
  ddpm reproduce gmm2d-ism                      a score trained in the plane, beside the exact one
  ddpm reproduce cifar10-ho2020 --device cuda
  ddpm reproduce mine.toml --set train.steps=500 --fresh
Every stage is skipped when its result is complete, so the same command resumes after an interruption.")]
pub(crate) struct Reproduce {
    /// A preset's name or a TOML file
    #[arg(value_name = "NAME|FILE.toml")]
    config: String,
    #[command(flatten)]
    options: RunOptions,
    /// Remove the run's earlier results first
    #[arg(long)]
    fresh: bool,
    /// Run although it will take long
    #[arg(long)]
    yes: bool,
}

impl Reproduce {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        self.options.open(&self.config, global)?.reproduce(self.fresh, self.yes)
    }
}
