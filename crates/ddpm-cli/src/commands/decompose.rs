//! `ddpm decompose`: how much of a sampler's error is initialization, discretization, training and truncation.

use crate::cli::Global;
use crate::noising_options::{Noising, NoisingOptions};
use crate::output::{self, JsonOutput};
use crate::sampler_options::SamplerOptions;
use crate::target_file;
use anyhow::{Result, bail, ensure};
use ddpm_core::classical::InitializationKind;
use ddpm_core::decomposition::{DecomposeReport, LevelEntry, MonteCarlo, Settings, decompose};
use ddpm_core::recursion::{GaussianDenoiser, W2Errors, w2_errors};
use ddpm_core::{Grid, Scheme, Target, Variance};
use std::fmt::Write;
use std::path::PathBuf;

/// Rows of the table where not all are asked for.
const ROWS: usize = 16;

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
            output::print(&table(&report, self.all)?)?;
        }
        Ok(())
    }

    fn name(&self) -> String {
        self.target.display().to_string()
    }

    fn divergences(
        &self,
        target: &Target,
        noising: &Noising,
        scheme: &Scheme,
        seed: u64,
    ) -> Result<DecomposeReport> {
        let Scheme::Ddpm { variance } = *scheme else {
            bail!("the divergence is that of the sampler ddpm; for {} add --w2", scheme.name())
        };
        let Noising::Discrete { name, schedule } = noising else {
            bail!("--process goes with --w2; divergences are those of a schedule's levels")
        };
        ensure!(
            variance != Variance::LearnedRange,
            "--variance learned-range needs a network; use fixed-small, fixed-large or analytic"
        );
        let timesteps = Noising::timesteps(schedule, self.steps, self.grid)?;
        let visited = schedule.visited(&timesteps)?;
        let default = MonteCarlo::default();
        let images = self.images.unwrap_or(default.images);
        let settings = Settings {
            variance,
            perturbation: self.perturb,
            monte_carlo: MonteCarlo { images, seed, ..default },
        };
        let result = decompose(target, &visited, &settings)?;
        Ok(DecomposeReport::closed_form(&self.name(), name, variance, &timesteps, &result)?)
    }

    fn wasserstein(&self, target: &Target, noising: &Noising, scheme: &Scheme) -> Result<DecomposeReport> {
        let Target::Gaussian(law) = target else {
            bail!("{}: --w2 is exact and takes a gaussian target; this one is a mixture", self.name())
        };
        ensure!(
            !matches!(scheme, Scheme::Langevin { .. }),
            "--w2 follows samplers from level to level; langevin stays at one"
        );
        ensure!(
            *scheme != Scheme::OdeRk45,
            "ode-rk45 chooses its steps by the samples, so that its law has no closed form; use ode-rk4"
        );
        let mut trajectory = noising.trajectory(self.steps, self.grid)?;
        let denoiser = GaussianDenoiser::new(law, self.perturb);
        if *scheme == (Scheme::Ddpm { variance: Variance::Analytic }) {
            let levels = &trajectory.levels()[..trajectory.steps()];
            let mse = levels.iter().map(|level| law.mmse(level) / law.dim() as f64).collect();
            trajectory = trajectory.with_mse(mse)?;
        }
        let (name, target, dim, steps) = (scheme.name(), self.name(), law.dim(), trajectory.steps());
        Ok(match noising {
            Noising::Continuous { name: process, .. } => {
                let w2 = w2_errors(&denoiser, &trajectory, &scheme.on_process())?;
                DecomposeReport::wasserstein(&target, process, name, steps, dim, w2)
            }
            Noising::Discrete { name: schedule, .. } => DecomposeReport {
                target: Some(target),
                schedule: Some((*schedule).to_owned()),
                sampler: Some(name.to_owned()),
                steps,
                dim,
                w2: Some(w2_errors(&denoiser, &trajectory, scheme)?),
                ..DecomposeReport::default()
            },
        })
    }
}

/// The report for people.
fn table(report: &DecomposeReport, all: bool) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let noising = report.schedule.as_ref().or(report.process.as_ref());
    writeln!(
        text,
        "{}: {} dimension{}, {}, {} steps, {}",
        report.target.as_deref().unwrap_or("target"),
        report.dim,
        if report.dim == 1 { "" } else { "s" },
        noising.map_or("", String::as_str),
        report.steps,
        report.variance.map_or(report.sampler.clone().unwrap_or_default(), |v| format!("ddpm, {v}")),
    )?;
    if let Some(w2) = &report.w2 {
        w2_table(&mut text, w2)?;
    }
    terms_table(&mut text, report)?;
    if let Some(levels) = &report.per_level {
        levels_table(&mut text, levels, all)?;
    }
    Ok(text)
}

fn w2_table(text: &mut String, w2: &W2Errors) -> std::fmt::Result {
    writeln!(text, "\nW2 between the law of the samples and the target")?;
    writeln!(text, "{:<28} {:>14} {:>22}", "start", "these steps", "infinitely many steps")?;
    for (start, sampled, continuous) in [
        ("true law of x_T", w2.from_marginal, w2.continuous_from_marginal),
        ("N(0, I)", w2.from_normal, w2.continuous_from_normal),
    ] {
        writeln!(text, "{start:<28} {sampled:>14.6} {continuous:>22.6}")?;
    }
    Ok(())
}

fn terms_table(text: &mut String, report: &DecomposeReport) -> std::fmt::Result {
    let stderr = report.stderr.unwrap_or_default();
    let terms = [
        ("initialization", report.init_nats, stderr.init_nats),
        ("discretization", report.discretization_nats, stderr.discretization_nats),
        ("training", report.training_nats, stderr.training_nats),
        ("total", report.total_nats, stderr.total_nats),
    ];
    if report.total_nats.is_some() {
        writeln!(text, "\nKL(noising path || generated path)")?;
    }
    for (name, value, stderr) in terms {
        let Some(value) = value else { continue };
        let error = if stderr > 0.0 { format!(" +- {stderr:.2e}") } else { String::new() };
        writeln!(text, "  {name:<16} {value:>15.8e} nats{error}")?;
    }
    if let Some(bound) = report.truncation_w2_bound {
        writeln!(text, "W2 between the data and the lowest level is at most {bound:.6}")?;
    }
    if let Some(classical) = &report.classical {
        let kind = match classical.w2_init_kind {
            InitializationKind::Exact => "exact",
            InitializationKind::GaussianMoments => "from the first two moments",
        };
        writeln!(text, "\nClassical terms (variance-exploding units)")?;
        writeln!(text, "  initialization W2 {:.6e}, {kind}", classical.w2_init)?;
        let mmse =
            classical.mmse_sum.map_or(String::new(), |sum| format!(", of which irreducible {sum:.6e}"));
        writeln!(text, "  training, sum of mean-square errors {:.6e}{mmse}", classical.training_mse_sum)?;
        writeln!(
            text,
            "  discretization, largest 1 - sigma_s^2/sigma_t^2 {:.6}",
            classical.discretization_max
        )?;
    }
    Ok(())
}

fn levels_table(text: &mut String, levels: &[LevelEntry], all: bool) -> std::fmt::Result {
    writeln!(
        text,
        "\n{:>6} {:>13} {:>13} {:>13} {:>16} {:>13} {:>9}",
        "t", "snr", "mmse", "mse", "discretization", "training", "ratio"
    )?;
    let rows = if all { levels.len() } else { ROWS.min(levels.len()) };
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.6e}"));
    for row in 0..rows {
        let level = &levels[if rows == 1 { 0 } else { row * (levels.len() - 1) / (rows - 1) }];
        writeln!(
            text,
            "{:>6} {:>13.6e} {:>13.6e} {:>13.6e} {:>16} {:>13} {:>9}",
            level.t,
            level.snr,
            level.mmse,
            level.mse,
            number(level.discretization_nats),
            number(level.training_nats),
            level.discretization_ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.6}")),
        )?;
    }
    if rows < levels.len() {
        writeln!(text, "{rows} of {} levels; --all prints every one", levels.len())?;
    }
    Ok(())
}
