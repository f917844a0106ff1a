//! Options that `ddpm train` and `ddpm reproduce` share, and the run that they stand for.

use crate::config::{RunConfig, load};
use crate::exit_codes;
use crate::global_options::Global;
use crate::run::Run;
use crate::runtime;
use crate::stages::{AnyRun, Stages};
use crate::workers;
use anyhow::Result;
use std::path::PathBuf;

/// Changes of the configuration, and where the run and its data are.
#[derive(clap::Args, Debug)]
pub(crate) struct RunOptions {
    /// Change a setting
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// The run's folder [default: runs/NAME]
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// A local folder instead of fetching the data
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl RunOptions {
    /// The run of a preset or a file, with every override applied.
    pub(crate) fn open(&self, config: &str, global: &Global) -> Result<Box<dyn AnyRun>> {
        let (name, config) = load(config, &self.set)?;
        Ok(match config {
            RunConfig::Images(config) => self.of_kind(name, *config, global)?,
            RunConfig::Vectors(config) => self.of_kind(name, *config, global)?,
            RunConfig::Classifier(config) => self.of_kind(name, *config, global)?,
        })
    }

    fn of_kind<C: Stages + 'static>(
        &self,
        name: String,
        mut config: C,
        global: &Global,
    ) -> Result<Box<dyn AnyRun>> {
        config.override_from(global, self.data_dir.as_deref())?;
        let device = runtime::prepare(global.device, global.threads)?;
        let workers = workers::join()?;
        workers::connect_gpus(&workers, device, exit_codes::end_with_word)?;
        Ok(Box::new(Run::new(name, config, self.run.clone(), device).among(workers)))
    }
}
