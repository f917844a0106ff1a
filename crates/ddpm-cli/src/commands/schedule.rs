//! `ddpm schedule`: a noise schedule as a table, JSON or picture.

use crate::global_options::Global;
use crate::numbers::whole;
use crate::output::{self, JsonOutput};
use crate::schedule_options::ScheduleOptions;
use crate::terminal_noise::warn_of_signal;
use anyhow::{Result, ensure};
use ddpm_core::{Noising, Schedule, ScheduleKind};
use ddpm_data::atomic;
use ddpm_report::kit::{Axis, Plot, Series};
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;

/// Rows of the table where not all are asked for.
const ROWS: usize = 21;

/// Print a noise schedule: beta, alpha-bar, signal-to-noise ratio, posterior variance
///
/// Index 0 is the least noise, as in the code of Ho et al. and in diffusers. The signal-to-noise ratio is alpha_bar/(1 - alpha_bar); the
/// posterior variance is that of x_{t-1} given x_t and x_0.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  ddpm schedule --schedule linear --steps 1000
  ddpm schedule --schedule cosine --steps 1000 --plot cosine.svg
  ddpm schedule --schedule linear --steps 50 --all
  ddpm schedule --betas betas.txt --zero-terminal-snr --json -
  ddpm schedule --schedule karras --steps 40 --sigma-min 0.002 --sigma-max 80 --rho 7")]
pub(crate) struct PrintSchedule {
    #[command(flatten)]
    schedule: ScheduleOptions,
    /// Number of levels T [default: 1000, or as many as the file has]
    #[arg(long, value_name = "T", value_parser = whole)]
    steps: Option<usize>,
    /// Print every level instead of a readable selection
    #[arg(long)]
    all: bool,
    /// Write JSON to a file, or to the standard output (-) instead of the table
    #[arg(long, value_name = "FILE|-")]
    json: Option<JsonOutput>,
    /// Draw alpha-bar, signal-to-noise ratio and posterior variance
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

/// One list a quantity, one entry a level.
#[derive(Serialize)]
struct Columns {
    schedule: &'static str,
    steps: usize,
    beta: Vec<f64>,
    alpha_bar: Vec<f64>,
    snr: Vec<f64>,
    posterior_variance: Vec<f64>,
}

impl Columns {
    fn of(kind: ScheduleKind, schedule: &Schedule) -> Self {
        Columns {
            schedule: kind.name(),
            steps: schedule.steps(),
            beta: schedule.betas(),
            alpha_bar: schedule.levels().map(|level| level.alpha_bar()).collect(),
            snr: schedule.levels().map(|level| level.snr()).collect(),
            posterior_variance: schedule.posteriors().map(|posterior| posterior.variance).collect(),
        }
    }
}

impl PrintSchedule {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        global.given.refuse(&["seed"], "on ddpm schedule, which draws nothing at random")?;
        if JsonOutput::is_standard(&self.json) {
            global
                .given
                .refuse(&["all"], "with --json -, which has every level and takes the table's place")?;
        }
        let outputs = [("--json", JsonOutput::path(&self.json)), ("--plot", self.plot.as_deref())];
        output::check_files(&outputs, &self.schedule.inputs())?;
        if let Some(path) = &self.plot {
            ensure!(
                path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("svg")),
                "--plot {}: plots are written as SVG; expected FILE.svg",
                path.display()
            );
        }
        let schedule = self.schedule.build(self.steps)?;
        warn_of_signal(&Noising::Discrete(schedule.clone()))?;
        let columns = Columns::of(self.schedule.kind(), &schedule);
        if let Some(path) = &self.plot {
            atomic::write_bytes(path, plot(&columns).to_svg().as_bytes())?;
        }
        if let Some(json) = &self.json {
            json.write(&columns)?;
        }
        if !JsonOutput::is_standard(&self.json) {
            output::print(&self.table(&columns)?)?;
        }
        Ok(())
    }

    /// The table as text.
    fn table(&self, columns: &Columns) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let steps = columns.steps;
        writeln!(text, "{}, {steps} levels, index 0 the least noise", columns.schedule)?;
        writeln!(
            text,
            "{:>6} {:>13} {:>15} {:>13} {:>19}",
            "index", "beta", "alpha_bar", "snr", "posterior_variance"
        )?;
        let rows = if self.all { steps } else { ROWS.min(steps) };
        for row in 0..rows {
            // Evenly spaced rows with both ends.
            let t = if rows == 1 { 0 } else { row * (steps - 1) / (rows - 1) };
            writeln!(
                text,
                "{t:>6} {:>13.6e} {:>15.10} {:>13.6e} {:>19.6e}",
                columns.beta[t], columns.alpha_bar[t], columns.snr[t], columns.posterior_variance[t]
            )?;
        }
        if rows < steps {
            writeln!(text, "{rows} of {steps} levels; --all prints every one")?;
        }
        Ok(text)
    }
}

/// The three quantities on one logarithmic axis, without zeros.
fn plot(columns: &Columns) -> Plot {
    let line = |name: &str, values: &[f64]| {
        let points = values.iter().enumerate().map(|(t, &value)| (t as f64, value));
        Series::line(name, points.filter(|(_, value)| *value > 0.0))
    };
    let title = format!("Noise schedule {}, {} levels", columns.schedule, columns.steps);
    Plot::new(title, Axis::linear("timestep (0 is the least noise)"), Axis::log("value"))
        .series(line("alpha-bar", &columns.alpha_bar))
        .series(line("signal-to-noise ratio", &columns.snr))
        .series(line("posterior variance", &columns.posterior_variance))
}
