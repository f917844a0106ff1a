//! `ddpm eval run`: everything that is measured on a run.

use crate::config::{ImageConfig, parse_as};
use crate::global_options::Global;
use crate::numbers::count64;
use crate::run::Run;
use crate::runtime;
use crate::stages::AnyRun;
use crate::text_file;
use crate::workers;
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;

/// Samples where neither the command line nor the run says how many.
const SAMPLES: u64 = 1000;

/// Measure everything that a run's data allow, and write it into the run's report
///
/// Distances of samples, precision and recall, class score, neighbours, likelihood, besides the stages of `ddpm reproduce` that are not done yet.
/// `[quality]` of the run's configuration says how much.
#[derive(clap::Args, Debug)]
pub(crate) struct EvalRun {
    /// The run's folder
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Number of samples [default: quality.samples of the run's configuration, or 1000]
    #[arg(long, value_name = "N", value_parser = count64)]
    num: Option<u64>,
    /// A local folder instead of fetching the data
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl EvalRun {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        global.given.refuse(&["seed"], "on ddpm eval run, which takes the run's own")?;
        let path = self.run.join("config.toml");
        let name = self.run.display();
        ensure!(path.is_file(), "{name}: not the folder of a run: it has no config.toml");
        let mut config: ImageConfig =
            parse_as(&text_file::read(&path)?).with_context(|| path.display().to_string())?;
        if let Some(num) = self.num {
            ensure!(num >= 2, "--num must be at least 2, got {num}");
            config.quality.samples = num;
        } else if config.quality.samples == 0 {
            config.quality.samples = SAMPLES;
        }
        if let Some(dir) = &self.data_dir {
            config.data.dir = Some(dir.clone());
        }
        let word = self.run.canonicalize().with_context(|| name.to_string())?;
        let word = word.file_name().map_or_else(|| "run".into(), |word| word.to_string_lossy().into_owned());
        let workers = workers::join()?;
        let device = runtime::prepare(global.device, global.threads)?;
        Run::new(word, config, Some(self.run.clone()), device).among(workers).evaluate()
    }
}
