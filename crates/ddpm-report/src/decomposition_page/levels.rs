//! The terms level by level.

use super::DecompositionReport;
use crate::kit::{Axis, Page, Plot, Series, Style, number};
use crate::results::LevelEntry;

/// Bars of the stacked plot, at most.
const BARS: usize = 24;

const SNR_AXIS: &str = "signal-to-noise ratio (noise to the left)";

pub(super) fn add_to(page: &mut Page, report: &DecompositionReport) {
    let Some(levels) = report.result.per_level.as_deref().filter(|levels| levels.len() > 1) else { return };
    let section = page.section("Where along the path");
    section.paragraph(
        "Sampling runs from noise (left) to data (right). Each bar adds up the steps that start in its range of signal-to-noise ratios, so that \
         all bars together are the total. High bars show where steps, or training, would pay.",
    );
    section.plot(
        stacked(report, levels),
        format!(
            "The terms of {} steps, summed over ranges of equal ratio. Initialization belongs to the start.",
            number::count(levels.len() as u64 - 1)
        ),
    );
    let terms = lines(levels);
    if terms.series.len() > 1 || terms.series.iter().any(|series| series.points.len() > 1) {
        section.plot(terms, "The same step by step, on logarithmic axes: each step’s share of the total.");
    }
    let reading = if report.result.network.is_some() {
        "The network’s squared error at each level, and the floor that stands for the ideal denoiser. The gap between the curves is what counts as \
         training error."
    } else {
        "The denoiser’s squared error at each level, and the part of it that no denoiser can remove, because xₜ does not determine x₀. The gap \
         between the curves is the training error."
    };
    section.plot(errors(levels), reading);
}

/// Sums over bins of equal width in log SNR.
fn stacked(report: &DecompositionReport, levels: &[LevelEntry]) -> Plot {
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
        .map(|k| (centre(k), if k == 0 { report.result.init_nats.unwrap_or(0.0) } else { 0.0 }))
        .collect();
    Plot::new("Nats by noise level", Axis::log(SNR_AXIS), Axis::linear("nats"))
        .description("Initialization, discretization and training stacked, from noise to data.")
        .series(Series::new("discretization", Style::StackedBars, sum(&|l| l.discretization_nats)))
        .series(Series::new("training", Style::StackedBars, sum(&|l| l.training_nats)))
        .series(Series::new("initialization", Style::StackedBars, init))
}

fn lines(levels: &[LevelEntry]) -> Plot {
    let curve = |value: &dyn Fn(&LevelEntry) -> Option<f64>| {
        let point = |level: &LevelEntry| Some((level.snr, value(level).filter(|v| *v > 0.0)?));
        levels.iter().rev().filter_map(point).collect::<Vec<(f64, f64)>>()
    };
    let mut plot = Plot::new("Nats of each step", Axis::log(SNR_AXIS), Axis::log("nats"))
        .description("Discretization and training of each step on logarithmic axes.");
    for (name, points) in
        [("discretization", curve(&|l| l.discretization_nats)), ("training", curve(&|l| l.training_nats))]
    {
        if !points.is_empty() {
            plot = plot.series(Series::line(name, points));
        }
    }
    plot
}

fn errors(levels: &[LevelEntry]) -> Plot {
    let curve = |value: &dyn Fn(&LevelEntry) -> f64| {
        levels.iter().rev().map(|level| (level.snr, value(level))).collect::<Vec<(f64, f64)>>()
    };
    Plot::new("Denoising error", Axis::log(SNR_AXIS), Axis::log("E|x₀ − D(xₜ)|²"))
        .description("The denoiser’s error and its irreducible part by noise level.")
        .series(Series::line("denoiser in use", curve(&|l| l.mse)))
        .series(Series::line("floor", curve(&|l| l.mmse)))
}
