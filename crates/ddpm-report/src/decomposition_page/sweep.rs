//! How errors change with the number of steps: totals against N, and slopes.

use super::DecompositionReport;
use crate::kit::{Axis, Cell, Page, Plot, Section, Series, Table, Text, number};
use ddpm_core::power_law::exponent_between;
use serde::Serialize;

/// What a sweep measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// The total of the divergence, in nats.
    TotalNats,
    /// Discretization and training, in nats: the total without initialization.
    StepsNats,
    /// W2 between samples and target.
    W2,
    /// W2 between the samples and those of infinitely many steps, or its upper bound from paths with the same start.
    W2ToFine,
}

/// Curves over the number of steps that answer one question.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sweep {
    /// The question, such as `Which schedule for N steps?`
    pub question: String,
    /// How to read the answer: a sentence or two.
    pub reading: String,
    /// What is measured.
    pub measure: Measure,
    /// One for each choice.
    pub curves: Vec<SweepCurve>,
    /// A value that the curves are compared with, and its name: the training error, the noise floor.
    pub mark: Option<(f64, String)>,
    /// Theoretical slopes to draw beside the curves, as powers of N.
    pub guides: Vec<i32>,
}

/// A choice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepCurve {
    /// Its name.
    pub name: String,
    /// Values by rising number of steps.
    pub points: Vec<SweepPoint>,
}

/// A value at a number of steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SweepPoint {
    /// Levels visited, or steps.
    pub steps: usize,
    /// The value.
    pub value: f64,
    /// Its interval, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
}

/// How a quantity falls with the number of steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slope {
    /// The quantity.
    pub quantity: String,
    /// The steps of the last doubling.
    pub steps: [usize; 2],
    /// The values there.
    pub values: [f64; 2],
    /// d log value / d log N over that doubling.
    pub measured: f64,
    /// What theory says: an exponent, or nothing where the quantity tends to a limit that is not zero.
    pub theoretical: Option<f64>,
    /// What theory says in words.
    pub theory: String,
}

impl Slope {
    /// The slope between two numbers of steps; none where a value is not positive.
    pub fn between(
        quantity: impl Into<String>,
        (coarse, fine): (SweepPoint, SweepPoint),
        theoretical: Option<f64>,
        theory: impl Into<String>,
    ) -> Option<Self> {
        let at = |point: SweepPoint| (point.steps as f64, point.value);
        let measured = exponent_between(at(coarse), at(fine));
        measured.is_finite().then(|| Slope {
            quantity: quantity.into(),
            steps: [coarse.steps, fine.steps],
            values: [coarse.value, fine.value],
            measured,
            theoretical,
            theory: theory.into(),
        })
    }
}

impl SweepPoint {
    /// A value without statistical error.
    pub fn exact(steps: usize, value: f64) -> Self {
        SweepPoint { steps, value, interval: None }
    }
}

pub(super) fn add_to(page: &mut Page, report: &DecompositionReport) {
    let (divergences, distances): (Vec<&Sweep>, Vec<&Sweep>) = report
        .sweeps
        .iter()
        .partition(|sweep| matches!(sweep.measure, Measure::TotalNats | Measure::StepsNats));
    if !divergences.is_empty() {
        let section = page.section("More steps, other steps");
        section.paragraph(
            "The total against the number of steps, for one choice at a time; everything else stays as it is above. Lower is better; where a \
             curve runs flat, more steps no longer help. A grid that stops above the schedule’s lowest level is continued to it in one more step, so \
             that all points speak of the same law.",
        );
        divergences.iter().for_each(|sweep| plot(section, sweep));
    }
    if !distances.is_empty() {
        let section = page.section("Samplers");
        section.paragraph(
            "W₂ measures how far the samples would have to move to become the target’s, in the units of the data. It judges every sampler, not \
             the ancestral one alone.",
        );
        distances.iter().for_each(|sweep| plot(section, sweep));
    }
    if !report.slopes.is_empty() {
        slopes(page.section("How fast errors fall"), &report.slopes);
    }
}

fn plot(section: &mut Section, sweep: &Sweep) {
    let label = match sweep.measure {
        Measure::TotalNats => "total (nats)",
        Measure::StepsNats => "discretization and training (nats)",
        Measure::W2 => "W₂ to the target",
        Measure::W2ToFine => "W₂ to infinitely many steps",
    };
    let mut plot =
        Plot::new(&sweep.question, Axis::log("steps N"), Axis::log(label)).description(&sweep.reading);
    for curve in &sweep.curves {
        // Intervals of many curves at the same places hide each other; they are in the data.
        let point = |point: &SweepPoint| (point.steps as f64, point.value);
        plot = plot
            .series(Series::line_and_points(&curve.name, curve.points.iter().map(point).collect::<Vec<_>>()));
    }
    for &power in &sweep.guides {
        if let Some(points) = guide(sweep, power) {
            let name =
                if power == -1 { "∝ 1/N".to_string() } else { format!("∝ 1/N{}", superscript(-power)) };
            plot = plot.series(Series::guide(name, points));
        }
    }
    if let Some((value, name)) = &sweep.mark
        && *value > 0.0
    {
        plot = plot.mark_y(*value, name);
    }
    section.plot(plot, Text::new(&sweep.reading));
}

/// A power of N through the middle of the curves.
fn guide(sweep: &Sweep, power: i32) -> Option<Vec<(f64, f64)>> {
    let points: Vec<&SweepPoint> =
        sweep.curves.iter().flat_map(|curve| &curve.points).filter(|point| point.value > 0.0).collect();
    let least = points.iter().map(|point| point.steps).min()?;
    let most = points.iter().map(|point| point.steps).max()?;
    // Through the largest value at the fewest steps, and no farther down than the values go.
    let top = points.iter().filter(|p| p.steps == least).map(|p| p.value).fold(0.0, f64::max);
    let bottom = points.iter().map(|point| point.value).fold(f64::INFINITY, f64::min);
    let at = |steps: f64| top * (steps / least as f64).powi(power);
    let last = (most as f64).min(least as f64 * (top / bottom).powf(1.0 / f64::from(-power)));
    (most > least && top > bottom).then(|| vec![(least as f64, top), (last, at(last))])
}

fn superscript(power: i32) -> &'static str {
    match power {
        2 => "²",
        3 => "³",
        4 => "⁴",
        _ => "",
    }
}

fn slopes(section: &mut Section, slopes: &[Slope]) {
    section.paragraph(
        "A slope of −1 means that twice the steps leave half of the error, −2 a quarter. Measured at the last doubling of the number of steps; \
         the first ones are often steeper or flatter.",
    );
    let mut table = Table::new(
        "Measured slopes beside the theoretical ones.",
        ["quantity", "steps", "value", "at twice the steps", "measured slope", "theoretical"],
    );
    for slope in slopes {
        let theory = match slope.theoretical {
            Some(exponent) => number::typeset(&format!("{exponent:.0}")) + &words(&slope.theory),
            None => slope.theory.clone(),
        };
        table.push([
            Cell::from(slope.quantity.clone()),
            format!("{} → {}", number::count(slope.steps[0] as u64), number::count(slope.steps[1] as u64))
                .into(),
            slope.values[0].into(),
            slope.values[1].into(),
            number::typeset(&format!("{:.2}", slope.measured)).into(),
            theory.into(),
        ]);
    }
    section.table(table);
}

fn words(theory: &str) -> String {
    if theory.is_empty() { String::new() } else { format!(" ({theory})") }
}
