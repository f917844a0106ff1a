//! The report for people.

use ddpm_core::classical::InitializationKind;
use ddpm_core::decomposition::{AblationDenoiser, AblationSteps, W2Ablation, W2Method};
use ddpm_core::recursion::{Start, W2Errors};
use ddpm_report::results::{DecomposeReport, LevelEntry};
use std::fmt::Write;

/// Rows of the table where not all are asked for.
const ROWS: usize = 16;

/// What `ddpm decompose` prints; `all` levels or a selection.
pub(super) fn table(report: &DecomposeReport, all: bool) -> Result<String, std::fmt::Error> {
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
    if let Some(ablation) = &report.w2_ablation {
        ablation_table(&mut text, ablation)?;
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

/// Every combination of errors, with what samples leave open.
fn ablation_table(text: &mut String, ablation: &W2Ablation) -> std::fmt::Result {
    let Some(samples) = ablation.samples else { return Ok(()) };
    writeln!(text, "\nEvery combination of errors, from {samples} samples")?;
    writeln!(
        text,
        "{:<18} {:<17} {:<9} {:>10} {:>10}   interval",
        "start", "steps", "denoiser", "W2", "stderr"
    )?;
    for cell in &ablation.cells {
        let start = match cell.start {
            Start::Marginal => "true law of x_T",
            Start::Prior => "N(0, I)",
        };
        let steps = match cell.steps {
            AblationSteps::Fine => "infinitely many",
            AblationSteps::Steps => "these",
        };
        let denoiser = match cell.denoiser {
            AblationDenoiser::Ideal => "ideal",
            AblationDenoiser::Given => "in use",
        };
        let interval = cell.interval.map_or(String::new(), |[low, high]| format!("{low:.5} to {high:.5}"));
        writeln!(
            text,
            "{start:<18} {steps:<17} {denoiser:<9} {:>10.6} {:>10.6}   {interval}",
            cell.w2, cell.stderr
        )?;
    }
    if let Some(floor) = &ablation.noise_floor {
        let words = "exact samples of the target itself";
        writeln!(text, "{words:<46} {:>10.6} {:>10.6}   the noise floor", floor.w2, floor.stderr)?;
    }
    if ablation.method == W2Method::SlicedSamples {
        writeln!(text, "Distances are sqrt(d) times sliced ones: at most W2, and W2 itself for shifts")?;
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

pub(super) fn levels_table(text: &mut String, levels: &[LevelEntry], all: bool) -> std::fmt::Result {
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
