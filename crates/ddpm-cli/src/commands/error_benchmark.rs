//! `ddpm error-benchmark`: which schedule, variance, sampler and number of steps, answered from a sweep.

use crate::benchmark::{self, Mode, Options, Subject};
use crate::cli::Global;
use crate::runtime::{self, StopFlag};
use anyhow::Result;
use std::path::PathBuf;

/// Sweep schedules, steps, variances, samplers and targets, and report which choices reduce the error
///
/// Closed-form targets are computed exactly and in parallel; networks are trained first where they are not there yet. Finished cells are kept
/// by content: a run that was stopped or killed goes on, and a second run computes nothing and writes the same results.json byte for byte.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  ddpm error-benchmark --quick
  ddpm error-benchmark --data-dir /data/fashion-mnist
  ddpm error-benchmark --quick --targets mixture-1d,gaussian-2d --out /tmp/closed-form
Writes index.html (the report), results.json (every figure) and log.jsonl (times) into the folder.")]
pub(crate) struct ErrorBenchmark {
    /// A smaller sweep with shortly trained networks: minutes on two cores
    #[arg(long)]
    quick: bool,
    /// Where results go, and where an earlier run's are found
    #[arg(long, value_name = "DIR", default_value = "runs/error-benchmark")]
    out: PathBuf,
    /// A folder with Fashion-MNIST instead of fetching it
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Only these: mixture-1d, mixture-2d, gaussian-2d, digits-gaussian, fashion-gaussian, cifar10-gaussian, digits-network,
    /// fashion-network [default: all]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    targets: Vec<Subject>,
    /// Remove the folder's earlier results first
    #[arg(long)]
    fresh: bool,
}

impl ErrorBenchmark {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let device = runtime::prepare(global.device, global.threads)?;
        let stop = StopFlag::install()?;
        let options = Options {
            mode: if self.quick { Mode::Quick } else { Mode::Full },
            out: &self.out,
            data_dir: self.data_dir.as_deref(),
            fresh: self.fresh,
            subjects: &self.targets,
            seed: global.seed.unwrap_or(0),
            device,
        };
        let report = benchmark::run(&options, &stop)?;
        println!("{}", report.display());
        Ok(())
    }
}
