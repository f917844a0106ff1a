//! The samples of a run beside real images.

use crate::kit::{Cell, Page, Table, Text, number};
use crate::results::{SampleQuality, SetDistance};
use crate::sections::training_neighbours;
use ddpm_core::interval::Interval;

pub(super) fn add_to(page: &mut Page, quality: &SampleQuality, neighbours: &str) {
    let section = page.section("Quality of the samples");
    let SampleQuality { samples, distance, .. } = quality;
    let mut text = format!(
        "{} samples ({} through {} noise levels, seed {}) beside {} real images ({}), by {} features ({}).",
        number::count(samples.num),
        samples.sampler,
        number::count(samples.steps),
        samples.seed,
        number::count(distance.n_b),
        quality.against,
        number::count(distance.dim),
        distance.extractor
    );
    if let Some((images, accuracy)) = quality.classifier_accuracy {
        text += &format!(
            " The classifier assigns {}\u{202f}% of {} held-out images to their class. Its distances can be compared with those by the same classifier \
             alone, and are not FID.",
            number::plain(100.0 * accuracy, 3),
            number::count(images)
        );
    }
    section.paragraph(text);
    let mut table = Table::new(
        "Samples and real images, with 95 % intervals over the images of both sets. The third column has the distance between two halves of the real \
         images, which shows what no difference looks like at half their number, and the class score of real images; the fourth has images of noise.",
        ["quantity", "samples", "real images", "noise"],
    );
    let reference = |distance: &SetDistance| distance.reference_value.map_or(Cell::Empty, Cell::Number);
    table.push([
        name(distance).into(),
        Cell::Number(distance.value),
        reference(distance),
        Cell::Number(quality.noise.value),
    ]);
    if distance.corrected.is_some() {
        table.push([
            format!("{} without its bias of order 1/n", name(distance)).into(),
            corrected(distance),
            Cell::Empty,
            corrected(&quality.noise),
        ]);
    }
    let kernel = &quality.kernel_distance;
    table.push(["Kernel distance (KID)".into(), corrected(kernel), reference(kernel), Cell::Empty]);
    let overlap = &quality.overlap;
    let share = |value: f64, [low, high]: [f64; 2]| Cell::Measured(Interval { value, low, high });
    let [precision, recall, coverage] = overlap.intervals;
    for (what, cell) in [
        ("Precision (share of the samples near real images)", share(overlap.precision, precision)),
        ("Recall (share of the real images near samples)", share(overlap.recall, recall)),
        ("Density", Cell::Number(overlap.density)),
        (
            "Coverage (share of the real images with a sample among their neighbours)",
            share(overlap.coverage, coverage),
        ),
    ] {
        table.push([what.into(), cell, Cell::Empty, Cell::Empty]);
    }
    if let Some(score) = &quality.class_score {
        let what = if score.metric == "inception-score" {
            "Inception Score"
        } else {
            "Class score (Inception Score of this classifier)"
        };
        let real = score.reference_value.map_or(Cell::Empty, Cell::Number);
        table.push([what.into(), share(score.value, score.interval), real, Cell::Empty]);
    }
    section.table(table);
    section.paragraph(
        Text::new(training_neighbours::in_words(&quality.memorization))
            .plain(" ")
            .link("Samples beside their nearest training images", neighbours)
            .plain("."),
    );
    if let Some(found) = &quality.likelihood {
        let [low, high] = found.bits_interval;
        section.paragraph(format!(
            "Variational bound on {}: {} bits a component (95\u{202f}% interval {} to {} over {} images).",
            found.data,
            number::plain(found.bits_per_dim, 4),
            number::plain(low, 4),
            number::plain(high, 4),
            number::count(found.n)
        ));
    }
}

fn name(distance: &SetDistance) -> &'static str {
    if distance.metric == "fid" { "FID" } else { "Fréchet distance" }
}

fn corrected(distance: &SetDistance) -> Cell {
    match (distance.corrected, distance.interval) {
        (Some(value), Some([low, high])) => Cell::Measured(Interval { value, low, high }),
        (Some(value), None) => Cell::Number(value),
        _ => Cell::Empty,
    }
}
