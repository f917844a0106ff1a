//! A noise schedule from the command line, for every command that takes one.

use crate::text_file;
use anyhow::{Context, Result, anyhow, bail, ensure};
use ddpm_core::{CoreError, Schedule, ScheduleConfig, ScheduleKind};
use std::path::{Path, PathBuf};

/// Levels of the longest schedule: a thousand times the usual number.
const MOST_LEVELS: usize = 1_000_000;

/// The schedule and its parameters. What is left out takes the schedule's default.
#[derive(clap::Args, Debug, Clone, Default)]
#[command(next_help_heading = "Schedule")]
pub(crate) struct ScheduleOptions {
    /// linear, scaled-linear, cosine, sigmoid, constant, ve-geometric, karras, betas or alpha-bars [default: linear]
    #[arg(long, value_name = "NAME")]
    schedule: Option<ScheduleKind>,
    /// beta of the least noisy level [linear, scaled-linear, sigmoid; default: 0.1/T for linear]
    #[arg(long, value_name = "BETA")]
    beta_start: Option<f64>,
    /// beta of the noisiest level [linear, scaled-linear, sigmoid, constant; default: 20/T for linear]
    #[arg(long, value_name = "BETA")]
    beta_end: Option<f64>,
    /// Least noise [ve-geometric: 0.01, karras: 0.002; where there is --process, also of ve: 0.01]
    #[arg(long, value_name = "SIGMA")]
    sigma_min: Option<f64>,
    /// Most noise [ve-geometric: 50, karras: 80; where there is --process, also of ve: 50 and edm: 80]
    #[arg(long, value_name = "SIGMA")]
    sigma_max: Option<f64>,
    /// Exponent of the spacing [karras: 7]
    #[arg(long, value_name = "RHO")]
    rho: Option<f64>,
    /// Literal betas, the least noisy first: a JSON list or one number a line
    #[arg(long, value_name = "FILE", conflicts_with = "alpha_bars")]
    betas: Option<PathBuf>,
    /// Literal alpha_bars, the least noisy first: a JSON list or one number a line
    #[arg(long, value_name = "FILE")]
    alpha_bars: Option<PathBuf>,
    /// Rescale so that no signal is left at the last level (Lin et al. 2024)
    #[arg(long)]
    zero_terminal_snr: bool,
}

impl ScheduleOptions {
    /// The kind: the one that is named, or the one that the given list belongs to.
    pub(crate) fn kind(&self) -> ScheduleKind {
        self.schedule.unwrap_or(match (&self.betas, &self.alpha_bars) {
            (Some(_), _) => ScheduleKind::Betas,
            (_, Some(_)) => ScheduleKind::AlphaBars,
            _ => ScheduleKind::Linear,
        })
    }

    /// An error that is about a key, with the option that the key was given by.
    fn named(&self, error: &CoreError) -> anyhow::Error {
        let text = error.to_string();
        let keys = [
            "beta_start",
            "beta_end",
            "sigma_min",
            "sigma_max",
            "rho",
            "betas",
            "alpha_bars",
            "zero_terminal_snr",
        ];
        match keys.into_iter().find(|key| text.contains(&format!("does not take key \"{key}\""))) {
            Some(key) => anyhow!("--{}: {text}", key.replace('_', "-")),
            // An option spells the key with a dash.
            None => anyhow!("{}", text.replace("beta_end", "--beta-end")),
        }
    }

    /// The least and the most noise, where they were given.
    pub(crate) fn sigmas(&self) -> (Option<f64>, Option<f64>) {
        (self.sigma_min, self.sigma_max)
    }

    /// The files that are read.
    pub(crate) fn inputs(&self) -> [(&'static str, Option<&Path>); 2] {
        [("--betas", self.betas.as_deref()), ("--alpha-bars", self.alpha_bars.as_deref())]
    }

    /// The schedule with `train_steps` levels; without that number the list's length, or 1000.
    pub(crate) fn build(&self, train_steps: Option<usize>) -> Result<Schedule> {
        if let Some(steps) = train_steps {
            ensure!(steps <= MOST_LEVELS, "a schedule has at most {MOST_LEVELS} levels, got {steps}");
        }
        let list = |path: &Option<PathBuf>| path.as_deref().map(numbers).transpose();
        let config = ScheduleConfig {
            schedule: self.kind(),
            train_steps,
            beta_start: self.beta_start,
            beta_end: self.beta_end,
            sigma_min: self.sigma_min,
            sigma_max: self.sigma_max,
            rho: self.rho,
            betas: list(&self.betas)?,
            alpha_bars: list(&self.alpha_bars)?,
            zero_terminal_snr: self.zero_terminal_snr,
        };
        let schedule = config.build().map_err(|error| self.named(&error));
        match self.betas.as_ref().or(self.alpha_bars.as_ref()) {
            Some(file) => schedule.with_context(|| file.display().to_string()),
            None => schedule,
        }
    }
}

/// Reads a JSON list of numbers, or one number a line.
fn numbers(path: &Path) -> Result<Vec<f64>> {
    let name = path.display();
    let text = text_file::read(path)?;
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(&text).with_context(|| format!("{name}: expected a list of numbers"));
    }
    let mut values = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let word = line.trim();
        if word.is_empty() {
            continue;
        }
        match word.parse() {
            Ok(value) => values.push(value),
            Err(_) => bail!("{name}: line {}: expected a number, got {word:?}", index + 1),
        }
    }
    ensure!(!values.is_empty(), "{name}: expected a JSON list or one number a line, got an empty file");
    Ok(values)
}
