//! `ddpm reproduce`: everything, from data to report.

use crate::cli::Global;
use crate::pipeline::{self, Run};
use crate::runtime::{self, StopFlag};
use crate::{config, progress::human_seconds};
use anyhow::{Result, bail};
use std::path::PathBuf;

/// Data, training, samples, evaluation and report in one go; prints the report's path
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  ddpm reproduce digits
  ddpm reproduce cifar10-ho2020 --device cuda
  ddpm reproduce mine.toml --set train.steps=500 --fresh
Every stage is skipped when its result is complete, so the same command goes on after an interruption.")]
pub(crate) struct Reproduce {
    /// A preset's name or a TOML file
    #[arg(value_name = "NAME|FILE.toml")]
    config: String,
    /// Change a setting
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// A local folder instead of fetching the data
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The run's folder [default: runs/NAME]
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Remove the run's earlier results first
    #[arg(long)]
    fresh: bool,
    /// Go on although it will take long
    #[arg(long)]
    yes: bool,
}

/// Beyond this the user is asked first.
const LONG_SECONDS: f64 = 3.0 * 3600.0;

impl Reproduce {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let mut named = config::load(&self.config, &self.set)?;
        pipeline::override_from(&mut named.config, global, self.data_dir.as_deref());
        let device = runtime::prepare(global.device, global.threads)?;
        let run = Run::new(named, self.run.clone(), device);
        if self.fresh {
            run.dir.clear()?;
        } else {
            run.check_unchanged()?;
        }
        if !self.yes && !device.is_cuda() {
            self.ask_before_a_long_run(&run)?;
        }
        let stop = StopFlag::install()?;
        let report = pipeline::reproduce(&run, &stop)?;
        println!("{}", report.display());
        Ok(())
    }

    /// Measures a few steps where a CPU might need days.
    fn ask_before_a_long_run(&self, run: &Run) -> Result<()> {
        if !pipeline::may_take_long(run)? {
            return Ok(());
        }
        eprintln!("no CUDA device: measuring a few steps to see how long this takes here");
        let estimate = pipeline::estimate(run)?;
        eprintln!(
            "{:.0} ms an image trained, {:.0} ms an image denoised: {} for the {} training steps left, {} for {} samples",
            1e3 * estimate.train_seconds_per_image,
            1e3 * estimate.denoise_seconds_per_image,
            human_seconds(estimate.train_seconds),
            estimate.steps_left,
            human_seconds(estimate.sample_seconds),
            run.named.config.sample.num,
        );
        let total = estimate.train_seconds + estimate.sample_seconds;
        if total > LONG_SECONDS {
            bail!(
                "{} would take about {} on this machine; add --yes to go on all the same, or use cifar10-small (a smaller network on the same pictures, about an hour on 2 cores: --config cifar10-small with cargo xtask)",
                run.named.name,
                human_seconds(total)
            );
        }
        Ok(())
    }
}
