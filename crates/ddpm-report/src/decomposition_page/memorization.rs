//! The network's error on training and on held-out images: memorization, and brackets of the training error.

use super::levels::selection;
use crate::kit::{Axis, Cell, Page, Plot, Point, Series, Table, number};
use crate::results::{DecomposeReport, MeasuredLevel, NetworkReport};
use crate::sections::{SNR_AXIS, held_out_excess};
use ddpm_core::interval::Interval;

/// The plot ends at this share of the network's least error: below it the empirical denoiser returns the training image itself.
const SHOWN: f64 = 0.05;
/// Rows of the table of measured errors where not all are asked for.
const ROWS: usize = 14;

pub(super) fn add_to(page: &mut Page, result: &DecomposeReport) {
    let Some(network) = &result.network else { return };
    let section = page.section("Memorization");
    section.paragraph(format!(
        "The error of the denoised image on {} training and {} held-out images. A network that only generalizes has the same error on both. A \
         network that memorizes has a smaller one on its training images. The empirical (memorizing) denoiser is the exact denoiser of the \
         training images as a finite set. Nothing has a smaller error on these images; on held-out images it shows what full memorization costs.",
        number::count(network.measured.train_images as u64),
        number::count(network.measured.held_out_images as u64),
    ));
    section.plot(
        curves(network),
        "Squared error by noise level. The gap between the network’s curve on training images and that of the empirical denoiser on them is the \
         training error by the floor empirical-training.",
    );
    if network.levels.iter().any(|level| level.held_out.is_some()) {
        let points = network.levels.iter().filter_map(excess).collect();
        section.plot(
            held_out_excess::plot(points, "denoised image"),
            "Held-out error over training error at each level. An interval that contains 0 shows no memorization.",
        );
        section.table(brackets(network));
    }
    section.paragraph(initialization(network));
}

fn curves(network: &NetworkReport) -> Plot {
    let least = network.levels.iter().map(|level| level.train.value).fold(f64::INFINITY, f64::min);
    let curve = |of: &dyn Fn(&MeasuredLevel) -> Option<Interval>| -> Vec<Point> {
        network.levels.iter().filter_map(|level| Some((level.snr, of(level)?).into())).collect()
    };
    let axis = Axis::log("E|x₀ − D(xₜ)|²").floor(SHOWN * least);
    let mut plot = Plot::new("Error on training and on held-out images", Axis::log(SNR_AXIS), axis)
        .description("The network’s error on both kinds of images, and that of the empirical denoiser.");
    for (name, points) in [
        ("held-out images", curve(&|l| l.held_out)),
        ("training images", curve(&|l| Some(l.train))),
        ("empirical denoiser, training images", curve(&|l| Some(l.empirical_train))),
        ("empirical denoiser, held-out images", curve(&|l| l.empirical_held_out)),
        ("reference, held-out images", curve(&|l| l.reference_held_out)),
    ] {
        if points.len() > 1 {
            plot = plot.series(Series::line(name, points).with_band());
        }
    }
    plot
}

fn excess(level: &MeasuredLevel) -> Option<Point> {
    let held_out = level.held_out?;
    let scale = 100.0 / level.train.value;
    let half = |interval: &Interval| 0.5 * (interval.high - interval.low);
    // Different images: their errors are independent.
    let width = scale * half(&held_out).hypot(half(&level.train));
    Some((level.snr, Interval::around(scale * (held_out.value - level.train.value), width)).into())
}

/// What the curves add up to along the sampler's path.
pub(super) fn brackets(network: &NetworkReport) -> Table {
    let mut table = Table::new(
        "Memorization, and brackets of the training error, along the sampler’s path.",
        ["quantity", "nats", "meaning"],
    );
    let mut row = |name: &str, interval: Interval, meaning: &str| {
        table.push([Cell::from(name), interval.into(), meaning.into()]);
    };
    if let Some(memorization) = &network.memorization {
        row("memorization", memorization.nats, "held-out minus training error of the network");
        row("full memorization", memorization.memorizer_nats, "the same of the empirical denoiser");
    }
    if let Some(training) = &network.training {
        row(
            "training error, at least",
            training.lower_nats,
            "against the best known denoiser of held-out images at each level",
        );
        row(
            "training error, at most",
            training.upper_nats,
            "against the error of the empirical denoiser on its own images; a loose bound",
        );
    }
    table
}

/// The bracket of the initialization term.
pub(super) fn initialization(network: &NetworkReport) -> String {
    format!(
        "The initialization term lies between {} nats and {} nats: from mean and covariance of the training set, and L_T of all its images.",
        number::number(network.initialization.lower_nats),
        number::number(network.initialization.upper_nats)
    )
}

/// The measured errors, the noisiest level first; `all` or a selection.
pub(super) fn table(network: &NetworkReport, all: bool) -> Table {
    let levels = &network.levels;
    let held_out = levels.iter().any(|level| level.held_out.is_some());
    let reference = levels.iter().any(|level| level.reference_held_out.is_some());
    let mut columns = vec!["t", "network, training"];
    columns.extend(held_out.then_some("network, held-out"));
    columns.push("empirical, training");
    columns.extend(held_out.then_some("empirical, held-out"));
    columns.extend(reference.then_some("reference, held-out"));
    let (caption, levels) = selection("E|x₀ − D(xₜ)|² by measured level", levels, (!all).then_some(ROWS));
    let mut table = Table::new(caption, columns);
    for level in levels {
        let mut row = vec![Cell::Count(u64::from(level.t)), level.train.into()];
        let cell = |interval: Option<Interval>| interval.map_or(Cell::Empty, Cell::from);
        row.extend(held_out.then(|| cell(level.held_out)));
        row.push(level.empirical_train.value.into());
        row.extend(held_out.then(|| level.empirical_held_out.map(|error| error.value).into()));
        row.extend(reference.then(|| cell(level.reference_held_out)));
        table.push(row);
    }
    table
}
