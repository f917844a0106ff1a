//! Command-line arguments of `ddpm train`: the training stage alone.

use super::run_options::RunOptions;
use crate::global_options::Global;
use anyhow::Result;

/// Train a model
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  ddpm train --config digits
  ddpm train --config mine.toml --set train.steps=20000 --resume --run runs/mine
An interrupt (Ctrl-C, SIGTERM) finishes the step, writes a checkpoint and exits with 75; --resume continues exactly there.")]
pub(crate) struct Train {
    /// A preset's name or a TOML file
    #[arg(long, value_name = "NAME|FILE.toml")]
    config: String,
    #[command(flatten)]
    options: RunOptions,
    /// Resume from the run's newest checkpoint; starts fresh where there is none
    #[arg(long)]
    resume: bool,
}

impl Train {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        self.options.open(&self.config, global)?.train(self.resume)
    }
}
