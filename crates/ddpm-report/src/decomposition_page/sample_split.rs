//! The distance of samples from real images, one source of error switched on at a time.

use crate::kit::{Axis, Cell, Page, Plot, Point, Series, Style, Table, listed, number};
use crate::results::{SampleSplit, SplitCell, SplitTrial, SplitValue};
use ddpm_core::interval::Interval;
use ddpm_core::recursion::Start;

pub(super) fn add_to(page: &mut Page, split: Option<&SampleSplit>) {
    let Some(split) = split else { return };
    let section = page.section("The distance of the samples");
    section.paragraph(INTRODUCTION).table(parts(split));
    section.plot(
        bars(split),
        "The distance in parts, with 95 % intervals over the images. A part may be negative: an error that makes up for another one.",
    );
    section.paragraph_if(trials(split));
    section.table(cells(split));
    section.paragraph(facts(split)).paragraph(order(split));
}

const INTRODUCTION: &str = "The samples’ distance from real images is measured four times: from noised real images and from N(0, I), with the \
    sampler’s steps and with as many as the network supports. Each part is what one change adds, so that the parts sum to the whole by \
    construction. They are errors of the samples themselves, where nats are errors of the path that leads to them.";

/// The sentence for the top of a page.
pub(super) fn headline(split: &SampleSplit) -> String {
    let [floor, training, initialization, discretization] =
        split.parts().map(|(_, value)| with_interval(&value));
    let unresolved: Vec<&str> = split.parts()[1..]
        .iter()
        .filter(|(_, value)| value.interval.is_some() && !value.is_resolved())
        .map(|(name, _)| *name)
        .collect();
    let few = match unresolved[..] {
        [] => String::new(),
        _ => format!(
            " {} cannot be told from 0 with {} samples.",
            listed(&unresolved),
            number::count(split.samples)
        ),
    };
    format!(
        "Of the samples’ {} of {} ({} steps of {}), {training} is training, {initialization} initialization and {discretization} discretization; {floor} \
         is what real images have.{}",
        metric(split),
        with_interval(&split.total),
        number::count(split.steps),
        split.sampler,
        capitalized(&few),
    )
}

/// The first letter after a leading space as a capital.
fn capitalized(sentence: &str) -> String {
    let mut letters = sentence.chars();
    match (letters.next(), letters.next()) {
        (Some(space), Some(first)) => format!("{space}{}{}", first.to_uppercase(), letters.as_str()),
        _ => sentence.to_owned(),
    }
}

fn with_interval(value: &SplitValue) -> String {
    match (value.corrected, value.interval) {
        (Some(value), Some([low, high])) => number::interval(&Interval { value, low, high }),
        _ => number::number(value.best()),
    }
}

fn metric(split: &SampleSplit) -> &'static str {
    match split.metric.as_str() {
        "fid" => "FID",
        "kid" => "kernel distance (KID)",
        "gaussian-w2" => "squared W₂ of fitted Gaussians",
        _ => "Fréchet distance",
    }
}

fn cell(value: &SplitValue) -> Cell {
    match (value.corrected, value.interval) {
        (Some(corrected), Some([low, high])) => Cell::Measured(Interval { value: corrected, low, high }),
        _ => value.best().into(),
    }
}

/// The parts and their sum.
pub(super) fn parts(split: &SampleSplit) -> Table {
    let mut table = Table::new(
        format!("The {} in parts.", metric(split)),
        ["part", "without bias", "as measured", "what changes"],
    );
    let fine = number::count(split.fine_steps);
    let what = |name: &str| match name {
        "floor" => format!("nothing: {} real images, {}", number::count(split.start_images), split.starts),
        "training" => format!(
            "the network instead of the data, from noised images in {fine} steps; with the error of these steps and of stopping at the lowest level"
        ),
        "initialization" => format!("N(0, I) instead of noised images, in {fine} steps"),
        _ => format!("{} steps instead of {fine}, from N(0, I)", number::count(split.steps)),
    };
    for (name, value) in split.parts() {
        table.push([Cell::from(name), cell(&value), value.raw.into(), what(name).into()]);
    }
    table.row([
        Cell::from("sum"),
        cell(&split.total),
        split.total.raw.into(),
        Cell::from("the distance of the samples"),
    ])
}

/// What recommended changes make of the distance.
pub(super) fn trials(split: &SampleSplit) -> Option<String> {
    let sentence = |trial: &SplitTrial| {
        let effect = match (trial.gain.is_resolved(), trial.gain.best() > 0.0) {
            (true, true) => "which is less".to_owned(),
            (true, false) => "which is more: here the samples do not follow the recommendation".to_owned(),
            (false, _) => {
                format!(
                    "a difference that cannot be told from 0 with {} samples",
                    number::count(split.samples)
                )
            }
        };
        format!(
            "Measured: with {}, the distance is {} (less by {}), {effect}.",
            trial.change,
            with_interval(&trial.distance),
            with_interval(&trial.gain)
        )
    };
    let sentences: Vec<String> = split.trials.iter().map(sentence).collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

/// The distances behind the parts.
fn cells(split: &SampleSplit) -> Table {
    let mut table =
        Table::new("The distances behind the parts.", ["start", "steps", "without bias", "as measured"]);
    for SplitCell { start, steps, distance } in &split.cells {
        let start = match start {
            Start::Marginal => "noised images",
            Start::Prior => "N(0, I)",
        };
        table.push([
            Cell::from(start),
            Cell::Numeral(number::count(*steps).into()),
            cell(distance),
            distance.raw.into(),
        ]);
    }
    table
}

fn bars(split: &SampleSplit) -> Plot {
    let parts = split.parts();
    let points = parts.iter().enumerate().map(|(k, (_, value))| Point {
        x: k as f64,
        y: value.best(),
        interval: value.interval.map(|[low, high]| (low, high)),
    });
    Plot::new(
        "The distance in parts",
        Axis::categories("", parts.iter().map(|(name, _)| *name)),
        Axis::linear(metric(split)),
    )
    .description("One bar for each part of the distance.")
    .series(Series::new("part", Style::Bars, points.collect::<Vec<_>>()))
}

/// How it was measured.
pub(super) fn facts(split: &SampleSplit) -> String {
    let seen = if split.reference_was_trained_on {
        "The network was trained on the reference images, so that what it remembers of them lowers the distance."
    } else {
        "The network has seen neither the reference images nor those at the start."
    };
    format!(
        "{} samples each, {} features by {}, {} sampler, levels {}. Starts: {} images ({}), noised; reference: {} images ({}). {seen} Values without bias \
         and intervals are those of a jackknife over 20 groups of images.",
        number::count(split.samples),
        number::count(split.features),
        split.extractor,
        split.sampler,
        split.grid,
        number::count(split.start_images),
        split.starts,
        number::count(split.reference_images),
        split.reference,
    )
}

/// The sum in the other order, and the check of the fine steps.
fn order(split: &SampleSplit) -> String {
    let value = with_interval;
    let (other, half) = (&split.other_order, split.fine_steps / 2);
    format!(
        "With discretization first it is {}, and initialization {}. Half of the fine steps, {}, change the distance from noised images by {}: about as much \
         of training may be the error of the fine steps themselves.",
        value(&other.discretization),
        value(&other.initialization),
        number::count(half),
        value(&split.finest_grid),
    )
}
