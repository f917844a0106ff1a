//! `ddpm reproduce`: everything, from data to report.

use crate::config::{self, AnyConfig, Named};
use crate::global_options::Global;
use crate::pipeline::{self, Run};
use crate::progress::human_seconds;
use crate::runtime::{self, StopFlag};
use crate::vectors::VectorRun;
use anyhow::{Result, bail};
use ddpm_data::DatasetName;
use std::path::PathBuf;

/// Data, training, samples, evaluation and report in one go; prints the report's path
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  ddpm reproduce digits
  ddpm reproduce gmm2d-ism                      a score learned in the plane, beside the exact one
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

/// The recipe for a small machine, and what it gives.
const SMALL: &str = "cifar10-small";
const SMALL_INSTEAD: &str = ", or take cifar10-small (--config cifar10-small with cargo xtask): a network of 2.7 M parameters on the same \
     pictures, made for a few CPU cores";

/// Beyond this the user is asked first.
const LONG_SECONDS: f64 = 3.0 * 3600.0;

impl Reproduce {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let (name, config) = config::load(&self.config, &self.set)?;
        let device = runtime::prepare(global.device, global.threads)?;
        let config = match config {
            AnyConfig::Images(config) => *config,
            AnyConfig::Classifier(_) => {
                anyhow::bail!(
                    "{name} trains a classifier, which has no samples and no report; use ddpm train --config {name}"
                )
            }
            AnyConfig::Vectors(config) => {
                return VectorRun::new(name, *config, self.run.clone(), global, device)?
                    .reproduce(self.fresh);
            }
        };
        let mut named = Named { name, config };
        pipeline::override_from(&mut named.config, global, self.data_dir.as_deref());
        let run = Run::new(named, self.run.clone(), device);
        if self.fresh {
            run.dir.clear()?;
        } else {
            run.check_unchanged()?;
        }
        // First of all, so that a missing folder is found before anything is measured.
        let dataset = run.load_data()?;
        if !self.yes && !device.is_cuda() {
            ask_before_a_long_run(&run)?;
        }
        let stop = StopFlag::install()?;
        let report = pipeline::reproduce(&run, &dataset, &stop)?;
        println!("{}", report.display());
        Ok(())
    }
}

/// Measures a few steps where a CPU might need days, and refuses if it would.
fn ask_before_a_long_run(run: &Run) -> Result<()> {
    if !pipeline::may_take_long(run)? {
        return Ok(());
    }
    eprintln!("no CUDA device: measuring a few steps to see how long this takes here");
    let estimate = pipeline::estimate(run)?;
    let (train, sample) = (human_seconds(estimate.train_seconds), human_seconds(estimate.sample_seconds));
    eprintln!(
        "{:.0} ms an image trained, {:.0} ms an image denoised: {train} for the {} training steps left, {sample} for {} samples",
        1e3 * estimate.train_seconds_per_image,
        1e3 * estimate.denoise_seconds_per_image,
        estimate.steps_left,
        run.named.config.sample.num,
    );
    let total = estimate.train_seconds + estimate.sample_seconds;
    if total <= LONG_SECONDS {
        return Ok(());
    }
    let instead = match run.named.config.data.name {
        DatasetName::Cifar10 if run.named.name != SMALL => SMALL_INSTEAD,
        _ => "",
    };
    bail!(
        "{} would take about {} on this machine; add --yes to go on all the same, or --set train.steps=N for fewer steps{instead}",
        run.named.name,
        human_seconds(total)
    )
}
