//! `ddpm decompose`: how much of a sampler's error is initialization, discretization, training and truncation.

mod closed_form;
mod table;
mod wasserstein;

use crate::cli::Global;
use crate::noising_options::NoisingOptions;
use crate::output::{self, JsonOutput};
use crate::sampler_options::SamplerOptions;
use crate::target_file;
use anyhow::{Result, ensure};
use ddpm_core::{Grid, Variance};
use std::path::PathBuf;

/// Say how much of a sampler's error comes from where, exactly
///
/// KL(noising path || generated path) of the ancestral sampler is the sum of an initialization term and, for each step, a discretization
/// and a training term. With --w2 the errors are W2 distances between the law of the samples and a Gaussian target, with one source of
/// error switched on at a time, for any sampler with fixed steps.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  ddpm decompose --target mixture.json --steps 50
  ddpm decompose --target mixture.json --train-steps 1000 --steps 1000 --variance fixed-small --perturb 0.05 --json -
  ddpm decompose --target mixture.json --schedule cosine --steps 20 --grid log-snr --variance analytic --all
  ddpm decompose --target gaussian.json --w2 --process vp --sampler ode-heun --steps 249 --t-min 1e-4 --json -
  ddpm decompose --target gaussian.json --w2 --sampler ddim --steps 50
All divergences are in nats. Targets are exact in one dimension and where they are Gaussian; mixtures in more dimensions are estimated from
--images noising paths, with standard errors.")]
pub(crate) struct Decompose {
    /// A closed-form target; `ddpm sample --help` shows what is in it
    #[arg(long, value_name = "FILE.json")]
    target: PathBuf,
    /// Levels visited, or steps along a process [default: all training levels; 1000]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Where the visited levels lie: leading, linspace, trailing, quadratic, log-snr or karras [default: trailing]
    #[arg(long, value_name = "NAME")]
    grid: Option<Grid>,
    /// A constant added to every component of the ideal denoiser
    #[arg(long, value_name = "D", default_value_t = 0.0, allow_hyphen_values = true)]
    perturb: f64,
    /// Noising paths, where the terms are estimated [default: 1000]
    #[arg(long, value_name = "N", conflicts_with = "w2")]
    images: Option<usize>,
    /// W2 instead of divergences; of a Gaussian target
    #[arg(long)]
    w2: bool,
    /// Print every level instead of a readable selection
    #[arg(long, conflicts_with = "w2")]
    all: bool,
    /// Write JSON to a file, or to the standard output (-) instead of the table
    #[arg(long, value_name = "FILE|-")]
    json: Option<JsonOutput>,
    #[command(flatten)]
    sampler: SamplerOptions,
    #[command(flatten)]
    noising: NoisingOptions,
}

impl Decompose {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        if let Some(steps) = self.steps {
            ensure!(steps >= 1, "--steps must be at least 1, got {steps}");
        }
        ensure!(self.perturb.is_finite(), "--perturb must be a finite number, got {}", self.perturb);
        let scheme = self.sampler.scheme(Variance::FixedLarge, None)?;
        let noising = self.noising.build()?;
        let target = target_file::read(&self.target)?;
        let report = if self.w2 {
            self.wasserstein(&target, &noising, &scheme)?
        } else {
            self.divergences(&target, &noising, &scheme, global.seed.unwrap_or(0))?
        };
        if let Some(json) = &self.json {
            json.write(&report)?;
        }
        if !JsonOutput::is_standard(&self.json) {
            output::print(&table::table(&report, self.all)?)?;
        }
        Ok(())
    }

    fn name(&self) -> String {
        self.target.display().to_string()
    }
}
