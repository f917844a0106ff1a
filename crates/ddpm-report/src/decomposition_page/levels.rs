//! The terms by noise level: plots for the page, and the table for a terminal.

use crate::kit::{Axis, Cell, Page, Plot, Series, Style, Table, number};
use crate::results::{DecomposeReport, LevelEntry, NetworkReport};
use crate::sections::SNR_AXIS;

/// Bars of the stacked plot, at most.
const BARS: usize = 24;
/// Sums of terms are known to this share of the total where nothing else limits them: rounding.
const ROUNDING: f64 = 1e-9;
/// The plot of errors ends at this share of the denoiser's least error: the floor below it is as good as 0.
const SHOWN: f64 = 1e-2;
/// Rows of the table where not all are asked for.
const ROWS: usize = 16;

pub(super) fn add_to(page: &mut Page, result: &DecomposeReport) {
    let Some(levels) = result.per_level.as_deref().filter(|levels| levels.len() > 1) else { return };
    let section = page.section("Terms by noise level");
    section.paragraph(
        "Sampling goes from noise (left) to data (right). Each bar is the sum over the steps that start in its range of signal-to-noise ratios. \
         All bars together are the total. A high bar shows where more steps, or more training, would reduce the error most.",
    );
    section.plot(
        stacked(result, levels),
        format!(
            "The terms of {} steps, summed over ranges of equal ratio. Initialization is part of the leftmost bar.",
            number::count(levels.len() as u64 - 1)
        ),
    );
    let of_steps = if result.network.is_some() {
        "The terms of a step on logarithmic axes: means over the steps between neighbouring measured levels, since the error of a single step there \
         is interpolated."
    } else {
        "The terms of each step, on logarithmic axes."
    };
    section.plot(lines(result, levels), of_steps);
    let reading = if result.network.is_some() {
        "The network’s squared error at each level, and the floor that stands for the ideal denoiser. The gap between the curves is the training \
         error."
    } else {
        "The denoiser’s squared error at each level, and its irreducible part: the error of the ideal denoiser, which remains because xₜ does not \
         determine x₀. The gap between the curves is the training error."
    };
    section.plot(errors(result, levels), reading);
}

/// What one of `parts` sums of terms cannot be told from 0 by: quadrature, the statistical error of an estimated target, and rounding.
fn numerical_error(result: &DecomposeReport, parts: usize) -> f64 {
    let quadrature = result.quadrature_error_nats.unwrap_or(0.0).abs();
    // A network's errors by level are measured independently of each other, with intervals of their own.
    let statistical = match (&result.network, &result.stderr) {
        (None, Some(stderr)) => stderr.discretization_nats,
        _ => 0.0,
    };
    let error = quadrature.max(statistical) / parts.max(1) as f64;
    error.max(ROUNDING * result.total_nats.unwrap_or(0.0).abs())
}

/// Sums over bins of equal width in log SNR.
fn stacked(result: &DecomposeReport, levels: &[LevelEntry]) -> Plot {
    // Levels come with the least noise first; the lowest has no step.
    let steps: Vec<&LevelEntry> =
        levels.iter().filter(|l| l.discretization_nats.is_some() && l.snr > 0.0).collect();
    let low = steps.iter().map(|l| l.snr.ln()).fold(f64::INFINITY, f64::min);
    let high = steps.iter().map(|l| l.snr.ln()).fold(f64::NEG_INFINITY, f64::max);
    let bars = BARS.min(steps.len()).max(1);
    let width = ((high - low) / bars as f64).max(1e-9);
    let bin = |snr: f64| (((snr.ln() - low) / width) as usize).min(bars - 1);
    let centre = |k: usize| (low + (k as f64 + 0.5) * width).exp();
    let sum = |value: &dyn Fn(&LevelEntry) -> Option<f64>| {
        let mut sums = vec![0.0; bars];
        for level in levels {
            // A level without signal belongs to the first bar.
            let at = if level.snr > 0.0 { bin(level.snr) } else { 0 };
            sums[at] += value(level).unwrap_or(0.0);
        }
        sums.into_iter().enumerate().map(|(k, sum)| (centre(k), sum)).collect::<Vec<(f64, f64)>>()
    };
    let init: Vec<(f64, f64)> = (0..bars)
        .map(|k| (centre(k), if k == 0 { result.init_nats.unwrap_or(0.0).max(0.0) } else { 0.0 }))
        .collect();
    let axis = Axis::linear("nats").floor(numerical_error(result, bars));
    let mut plot = Plot::new("Nats by noise level", Axis::log(SNR_AXIS), axis)
        .description("Initialization, discretization and training stacked, from noise to data.");
    for (name, bars) in [
        ("discretization", sum(&|l| l.discretization_nats)),
        ("training", sum(&|l| l.training_nats)),
        ("initialization", init),
    ] {
        // The training term of an ideal denoiser is 0 everywhere.
        if name == "discretization" || bars.iter().any(|(_, nats)| *nats != 0.0) {
            plot = plot.series(Series::new(name, Style::StackedBars, bars));
        }
    }
    plot
}

fn lines(result: &DecomposeReport, levels: &[LevelEntry]) -> Plot {
    let curve = |value: &dyn Fn(&LevelEntry) -> Option<f64>| {
        let points = levels.iter().rev().filter_map(|level| Some((level.t, level.snr, value(level)?)));
        between_measured(result.network.as_deref(), &points.collect::<Vec<_>>())
    };
    let axis = Axis::log("nats").floor(numerical_error(result, levels.len()));
    let mut plot = Plot::new("Nats of each step", Axis::log(SNR_AXIS), axis)
        .description("Discretization and training of each step on logarithmic axes.");
    for (name, points) in
        [("discretization", curve(&|l| l.discretization_nats)), ("training", curve(&|l| l.training_nats))]
    {
        // The training term of an ideal denoiser is 0 at every step.
        if points.iter().any(|(_, nats)| *nats != 0.0) {
            plot = plot.series(Series::line(name, points));
        }
    }
    plot
}

/// The steps (t, snr, nats) as points of a curve, the noisiest first: all of a target's, and for a network the means over the steps that start
/// between neighbouring measured levels, at their mean log-SNR.
fn between_measured(network: Option<&NetworkReport>, steps: &[(u32, f64, f64)]) -> Vec<(f64, f64)> {
    let Some(network) = network else { return steps.iter().map(|&(_, snr, nats)| (snr, nats)).collect() };
    let measured: Vec<u32> = network.levels.iter().map(|level| level.t).collect();
    let interval = |t: u32| measured.iter().filter(|&&other| other >= t).count();
    let mean = |run: &[(u32, f64, f64)]| {
        let signal: Vec<f64> = run.iter().map(|step| step.1).filter(|snr| *snr > 0.0).collect();
        let centre = signal.iter().map(|snr| snr.ln()).sum::<f64>() / signal.len() as f64;
        (centre.exp(), run.iter().map(|step| step.2).sum::<f64>() / run.len() as f64)
    };
    steps.chunk_by(|a, b| interval(a.0) == interval(b.0)).map(mean).collect()
}

fn errors(result: &DecomposeReport, levels: &[LevelEntry]) -> Plot {
    // Between the measured levels of a network there is nothing but interpolation.
    let measured = |level: &&LevelEntry| {
        result.network.as_ref().is_none_or(|network| network.levels.iter().any(|other| other.t == level.t))
    };
    let curve = |value: &dyn Fn(&LevelEntry) -> f64| {
        let shown = levels.iter().rev().filter(measured);
        shown.map(|level| (level.snr, value(level))).collect::<Vec<(f64, f64)>>()
    };
    let least = levels.iter().map(|level| level.mse).filter(|mse| *mse > 0.0).fold(f64::INFINITY, f64::min);
    let axis = Axis::log("E|x₀ − D(xₜ)|²").floor(if least.is_finite() { SHOWN * least } else { 0.0 });
    Plot::new("Denoising error", Axis::log(SNR_AXIS), axis)
        .description("The denoiser’s error and its irreducible part by noise level.")
        .series(Series::line("denoiser in use", curve(&|l| l.mse)))
        .series(Series::line("floor", curve(&|l| l.mmse)))
}

/// All levels, or at most `rows` of them, evenly spaced with both ends, and the caption of their table.
pub(super) fn selection<'a, T>(
    caption: &str,
    levels: &'a [T],
    rows: Option<usize>,
) -> (String, impl Iterator<Item = &'a T>) {
    let count = levels.len();
    let rows = rows.map_or(count, |rows| rows.clamp(2, count.max(2)).min(count));
    let caption = if rows < count {
        format!("{caption}, {rows} of {count} levels; --all prints every one.")
    } else {
        format!("{caption}.")
    };
    (caption, (0..rows).map(move |row| &levels[row * (count - 1) / (rows - 1).max(1)]))
}

/// The visited levels as a table, the least noisy first; `all` or a selection.
pub(super) fn table(levels: &[LevelEntry], all: bool) -> Table {
    let (caption, levels) = selection("Terms by visited level", levels, (!all).then_some(ROWS));
    let columns = ["t", "snr", "mmse", "mse", "discretization", "training", "ratio"];
    let mut table = Table::new(caption, columns);
    for level in levels {
        table.push([
            Cell::Count(u64::from(level.t)),
            level.snr.into(),
            level.mmse.into(),
            level.mse.into(),
            level.discretization_nats.into(),
            level.training_nats.into(),
            level.discretization_ratio.into(),
        ]);
    }
    table
}
