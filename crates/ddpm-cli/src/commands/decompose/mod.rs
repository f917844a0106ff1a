//! `ddpm decompose`: how much of a sampler's error is initialization, discretization, training and truncation.

mod checkpoint;
mod closed_form;
mod network_table;
mod table;
mod wasserstein;

use crate::cli::Global;
use crate::noising_options::NoisingOptions;
use crate::output::{self, JsonOutput};
use crate::sampler_options::SamplerOptions;
use crate::target_file;
use anyhow::{Result, bail, ensure};
use ddpm_core::decomposition::DecomposeReport;
use ddpm_core::{Grid, Variance};
use std::path::{Path, PathBuf};

/// Say how much of a sampler's error comes from where, exactly
///
/// KL(noising path || generated path) of the ancestral sampler is the sum of an initialization term and, for each step, a discretization
/// and a training term. With --w2 the errors are W2 distances between the law of the samples and a Gaussian target, with one source of
/// error switched on at a time, for any sampler with fixed steps.
///
/// Of a trained network (--checkpoint) the ideal denoiser is unknown: the terms are given against named floors, with 95 % intervals over
/// images, together with the variational bound, what the network remembers of its images, and what would help most.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  ddpm decompose --target mixture.json --steps 50
  ddpm decompose --target mixture.json --train-steps 1000 --steps 1000 --variance fixed-small --perturb 0.05 --json -
  ddpm decompose --target mixture.json --schedule cosine --steps 20 --grid log-snr --variance analytic --all
  ddpm decompose --target gaussian.json --w2 --process vp --sampler ode-heun --steps 249 --t-min 1e-4 --json -
  ddpm decompose --target gaussian.json --w2 --sampler ddim --steps 50
  ddpm decompose --checkpoint runs/digits/checkpoints/latest --data digits
  ddpm decompose --checkpoint DIR --data cifar10 --reference BETTER --steps 100 --max-images 200 --levels 20 --json report.json
All divergences are in nats. Targets are exact in one dimension and where they are Gaussian; mixtures in more dimensions are estimated from
--images noising paths, with standard errors.")]
pub(crate) struct Decompose {
    /// A closed-form target; `ddpm sample --help` shows what is in it
    #[arg(long, value_name = "FILE.json")]
    target: Option<PathBuf>,
    /// Levels visited, or steps along a process [default: all training levels; 1000]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Where the visited levels lie: leading, linspace, trailing, quadratic, log-snr or karras [default: trailing; the checkpoint's]
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
    #[command(flatten)]
    network: checkpoint::NetworkOptions,
}

impl Decompose {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        if let Some(steps) = self.steps {
            ensure!(steps >= 1, "--steps must be at least 1, got {steps}");
        }
        ensure!(self.perturb.is_finite(), "--perturb must be a finite number, got {}", self.perturb);
        let report = match (&self.network.checkpoint, &self.target) {
            (Some(dir), _) => {
                let scheme = self.sampler.scheme(Variance::FixedLarge, None)?;
                self.network(dir, &scheme, global)?
            }
            (None, Some(path)) => self.of_target(path, global)?,
            (None, None) => bail!("--checkpoint or --target is needed"),
        };
        if let Some(json) = &self.json {
            json.write(&report)?;
        }
        if !JsonOutput::is_standard(&self.json) {
            let text = match &report.network {
                Some(network) => network_table::table(&report, network, self.all)?,
                None => table::table(&report, self.all)?,
            };
            output::print(&text)?;
        }
        Ok(())
    }

    fn of_target(&self, path: &Path, global: &Global) -> Result<DecomposeReport> {
        let scheme = self.sampler.scheme(Variance::FixedLarge, None)?;
        let noising = self.noising.build()?;
        let target = target_file::read(path)?;
        if self.w2 {
            self.wasserstein(&target, &noising, &scheme)
        } else {
            self.divergences(&target, &noising, &scheme, global.seed.unwrap_or(0))
        }
    }

    fn name(&self) -> String {
        self.target.as_ref().map_or_else(String::new, |path| path.display().to_string())
    }
}
