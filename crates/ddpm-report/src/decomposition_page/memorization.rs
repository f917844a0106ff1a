//! The network's error on images it was trained on and on others: what it remembers, and what it could still learn.

use super::DecompositionReport;
use crate::kit::{Axis, Cell, Page, Plot, Point, Section, Series, Table, number};
use crate::results::{MeasuredLevel, NetworkReport};
use ddpm_core::interval::Interval;

const SNR_AXIS: &str = "signal-to-noise ratio (noise to the left)";

/// Errors below this share of the network's least one say only that a denoiser knows its images by heart.
const SHOWN: f64 = 0.05;

pub(super) fn add_to(page: &mut Page, report: &DecompositionReport) {
    let Some(network) = &report.result.network else { return };
    let section = page.section("Learnt or remembered");
    section.paragraph(format!(
        "The error of the denoised image on {} training and {} held-out images, with {:.0} % intervals over images. A network that only \
         generalizes denoises both alike; one that remembers is better on its own. The denoiser that knows all training images by heart marks \
         the ends of the scale: nothing beats it on its own images, and on others it shows what remembering costs.",
        number::count(network.measured.train_images as u64),
        number::count(network.measured.held_out_images as u64),
        100.0 * network.measured.confidence,
    ));
    section.plot(
        curves(network),
        "Squared error by noise level. What lies between the network’s curve on training images and the one that none can beat there is its \
         training error on them.",
    );
    if network.levels.iter().any(|level| level.held_out.is_some()) {
        section.plot(
            excess(network),
            "Held-out error over training error at each level; intervals that contain 0 show no sign of memorization.",
        );
    }
    brackets(section, network);
}

fn curves(network: &NetworkReport) -> Plot {
    let least = network.levels.iter().map(|level| level.train.value).fold(f64::INFINITY, f64::min);
    let curve = |of: &dyn Fn(&MeasuredLevel) -> Option<Interval>| -> Vec<Point> {
        let point = |level: &MeasuredLevel| {
            let Interval { value, low, high, .. } = of(level)?;
            (value > SHOWN * least)
                .then(|| Point::with_interval(level.snr, value, low.max(SHOWN * least), high))
        };
        network.levels.iter().filter_map(point).collect()
    };
    let mut plot = Plot::new("Error on training and on held-out images", Axis::log(SNR_AXIS), Axis::log("E|x₀ − D(xₜ)|²"))
        .description("The network’s error on both kinds of images between the best and the worst denoiser that knows the training images by heart.");
    for (name, points) in [
        ("held-out images", curve(&|l| l.held_out)),
        ("training images", curve(&|l| Some(l.train))),
        ("by heart, on training images", curve(&|l| Some(l.empirical_train))),
        ("by heart, on held-out images", curve(&|l| l.empirical_held_out)),
        ("reference, on held-out images", curve(&|l| l.reference_held_out)),
    ] {
        if points.len() > 1 {
            plot = plot.series(Series::line(name, points).with_band());
        }
    }
    plot
}

fn excess(network: &NetworkReport) -> Plot {
    let points: Vec<Point> = network
        .levels
        .iter()
        .filter_map(|level| {
            let held_out = level.held_out?;
            let scale = 100.0 / level.train.value;
            let half = |interval: &Interval| 0.5 * (interval.high - interval.low);
            // Different images: their errors are independent.
            let width = scale * half(&held_out).hypot(half(&level.train));
            let value = scale * (held_out.value - level.train.value);
            Some(Point::with_interval(level.snr, value, value - width, value + width))
        })
        .collect();
    let zero: Vec<(f64, f64)> = points.iter().map(|point| (point.x, 0.0)).collect();
    Plot::new("How much worse held-out images are denoised", Axis::log(SNR_AXIS), Axis::linear("excess (%)"))
        .description("The held-out error less the training error, as a share of the latter.")
        .series(Series::line("held-out over training", points).with_band())
        .series(Series::guide("no difference", zero))
}

fn brackets(section: &mut Section, network: &NetworkReport) {
    let mut table = Table::new(
        "What the curves add up to along the sampler’s path, in nats.",
        ["quantity", "nats", "interval", "how to read it"],
    );
    let mut row = |name: &str, interval: &Interval, reading: &str| {
        table.push([
            Cell::from(name),
            interval.value.into(),
            format!("{}\u{a0}to\u{a0}{}", number::number(interval.low), number::number(interval.high)).into(),
            reading.into(),
        ]);
    };
    if let Some(memorization) = &network.memorization {
        row("memorization", &memorization.nats, "held-out less training error of the network");
        row(
            "of a perfect memorizer",
            &memorization.memorizer_nats,
            "the same of the denoiser that knows all by heart: the scale",
        );
    }
    if let Some(training) = &network.training {
        row(
            "training error, at least",
            &training.lower_nats,
            "what better denoisers are known to remove on held-out images",
        );
        row(
            "training error, at most",
            &training.upper_nats,
            "what the by-heart error on its own images leaves; loose",
        );
    }
    section.table(table);
    let init = &network.initialization;
    section.paragraph(format!(
        "Initialization lies between {} nats (from mean and covariance of the training images) and {} nats (L_T).",
        number::number(init.lower_nats),
        number::number(init.upper_nats)
    ));
}
