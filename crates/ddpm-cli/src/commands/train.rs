//! `ddpm train`: the training stage alone.

use crate::classifier::ClassifierRun;
use crate::config::{self, AnyConfig, Named};
use crate::global_options::Global;
use crate::pipeline::{self, Run, conclude};
use crate::runtime::{self, StopFlag};
use crate::vectors::VectorRun;
use anyhow::Result;
use std::path::PathBuf;

/// Train a model
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  ddpm train --config digits
  ddpm train --config mine.toml --set train.steps=20000 --resume --run runs/mine
An interrupt (Ctrl-C, SIGTERM) finishes the step, writes a checkpoint and exits with 75; --resume goes on exactly there.")]
pub(crate) struct Train {
    /// A preset's name or a TOML file
    #[arg(long, value_name = "NAME|FILE.toml")]
    config: String,
    /// Change a setting
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// Go on from the run's newest checkpoint; starts fresh where there is none
    #[arg(long)]
    resume: bool,
    /// The run's folder [default: runs/NAME]
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// A local folder instead of fetching the data
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Train {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let (name, config) = config::load(&self.config, &self.set)?;
        let device = runtime::prepare(global.device, global.threads)?;
        let config = match config {
            AnyConfig::Images(config) => *config,
            AnyConfig::Classifier(config) => {
                let (folder, data) = (self.run.clone(), self.data_dir.as_deref());
                return ClassifierRun::new(&name, *config, folder, global, data, device).train(self.resume);
            }
            AnyConfig::Vectors(config) => {
                return VectorRun::new(name, *config, self.run.clone(), global, device)?.train(self.resume);
            }
        };
        let mut named = Named { name, config };
        pipeline::override_from(&mut named.config, global, self.data_dir.as_deref());
        let run = Run::new(named, self.run.clone(), device);
        if self.resume {
            run.check_unchanged()?;
        }
        let stop = StopFlag::install()?;
        let dataset = run.load_data()?;
        conclude(pipeline::train(&run, &dataset, self.resume, &stop)?, &run.dir)
    }
}
