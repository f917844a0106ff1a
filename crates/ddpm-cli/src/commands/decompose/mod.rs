//! `ddpm decompose`: the error of a sampler as a sum of initialization, discretization, training and truncation.

mod checkpoint;
mod closed_form;
mod network_table;
mod report;
mod table;
mod wasserstein;

use crate::given::Given;
use crate::global_options::Global;
use crate::noising_options::NoisingOptions;
use crate::numbers::count;
use crate::output::{self, JsonOutput};
use crate::sampler_options::{Origin, SamplerOptions};
use crate::target_file;
use anyhow::{Result, bail, ensure};
use ddpm_core::{Grid, Noising, Scheme, Target, Variance};
use ddpm_report::decomposition_page::check_folder;
use std::path::{Path, PathBuf};

/// Say how much of a sampler's error comes from where, exactly
///
/// KL(noising path || generated path) of the ancestral sampler is the sum of an initialization term and, for each step, a discretization
/// and a training term. With --w2 the errors are W2 distances between the law of the samples and the target, with one source of error
/// switched on at a time, for any sampler: exact on Gaussian targets, from samples with intervals on mixtures.
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
  ddpm decompose --target mixture.json --w2 --sampler dpmpp-2m --steps 20 --samples 20000
  ddpm decompose --target mixture.json --steps 50 --report decomposition
  ddpm decompose --checkpoint runs/digits/checkpoints/latest --data digits --report decomposition
  ddpm decompose --checkpoint DIR --data cifar10 --reference BETTER --steps 100 --max-images 200 --levels 20 --json report.json
All divergences are in nats. Targets are exact in one dimension and where they are Gaussian; mixtures in more dimensions are estimated from
--images noising paths, with standard errors.")]
pub(crate) struct Decompose {
    /// A closed-form target; `ddpm sample --help` shows what is in it
    #[arg(long, value_name = "FILE.json")]
    target: Option<PathBuf>,
    /// Levels visited, or steps along a process [default: all training levels; 1000]
    #[arg(long, value_name = "N", value_parser = count)]
    steps: Option<usize>,
    /// Where the visited levels lie: leading, linspace, trailing, quadratic, log-snr or karras [default: trailing; the checkpoint's]
    #[arg(long, value_name = "NAME")]
    grid: Option<Grid>,
    /// A constant added to every component of the ideal denoiser
    #[arg(long, value_name = "D", default_value_t = 0.0, allow_hyphen_values = true)]
    perturb: f64,
    /// Noising paths, where the terms are estimated [default: 1000]
    #[arg(long, value_name = "N", value_parser = count)]
    images: Option<usize>,
    /// W2 instead of divergences: exact on Gaussian targets, from samples on mixtures
    #[arg(long)]
    w2: bool,
    /// Samples on each side where W2 comes from samples [default: 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=10_000_000))]
    samples: Option<u32>,
    /// Write a page with interactive plots to DIR/index.html, and what they show to DIR/report.json
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Print every level instead of a readable selection
    #[arg(long)]
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

/// A closed-form target, how it is noised, and the sampler.
struct Problem {
    target: Target,
    noising: Noising,
    scheme: Scheme,
}

impl Decompose {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        self.refuse_options_without_effect(&global.given)?;
        ensure!(self.perturb.is_finite(), "--perturb must be a finite number, got {}", self.perturb);
        let problem = self.target.as_ref().map(|path| self.problem(path, &global.given)).transpose()?;
        if let Some(folder) = &self.report {
            check_folder(folder)?;
        }
        if let Some(problem) = &problem {
            let exact =
                matches!(problem.target, Target::Gaussian(_)) || problem.target.dim() == 1 && !self.w2;
            if exact {
                global.given.refuse(&["images"], "on this target: its terms are exact, not estimated")?;
            }
            if exact && self.report.is_none() {
                global.given.refuse(&["seed"], "on this target: its terms are exact, not estimated")?;
            }
        }
        let report = match (&self.network.checkpoint, &problem) {
            (Some(dir), _) => {
                let scheme = self.sampler.scheme(Variance::FixedLarge, None, Origin::CommandLine)?;
                self.network(dir, &scheme, global)?
            }
            (None, Some(problem)) if self.w2 => self.wasserstein(problem, global)?,
            (None, Some(problem)) => self.divergences(problem, global.seed.unwrap_or(0))?,
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
        if let Some(folder) = &self.report {
            match (&self.network.checkpoint, &problem) {
                (Some(dir), _) => report::write_network(folder, dir, report)?,
                (None, Some(problem)) => self.write_target(folder, problem, report, global)?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn problem(&self, path: &Path, given: &Given) -> Result<Problem> {
        Ok(Problem {
            scheme: self.sampler.scheme(Variance::FixedLarge, None, Origin::CommandLine)?,
            noising: self.noising.build(given)?,
            target: target_file::read(path)?,
        })
    }

    /// Refuses options of another kind of decomposition than the one that was asked for, and outputs that are inputs.
    fn refuse_options_without_effect(&self, given: &Given) -> Result<()> {
        if self.network.checkpoint.is_some() {
            given.refuse_group::<NoisingOptions>("with --checkpoint, which has its own noising process")?;
            given.refuse(&["perturb", "images", "samples", "w2"], "with --checkpoint: it is for --target")?;
        } else {
            given.refuse_group::<checkpoint::NetworkOptions>("with --target: it is for --checkpoint")?;
        }
        if self.w2 {
            given.refuse(&["images", "all"], "with --w2, which has no terms by level")?;
        } else {
            given.refuse(&["samples"], "without --w2")?;
        }
        if JsonOutput::is_standard(&self.json) {
            given.refuse(&["all"], "with --json -, which has every level and takes the table's place")?;
        }
        let [betas, alpha_bars] = self.noising.inputs();
        output::refuse_overwriting(
            &[("--json", JsonOutput::path(&self.json))],
            &[("--target", self.target.as_deref()), betas, alpha_bars],
        )
    }

    fn name(&self) -> String {
        self.target.as_ref().map_or_else(String::new, |path| path.display().to_string())
    }
}
