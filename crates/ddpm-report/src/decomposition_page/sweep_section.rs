//! Plots of errors against the number of steps, and the table of convergence exponents.

use super::decomposition_report::DecompositionReport;
use crate::kit::{Axis, Cell, Page, Plot, Section, Series, Table, Text, number};
use crate::results::{Measure, Slope, Sweep, SweepPoint};

pub(super) fn add_to(page: &mut Page, report: &DecompositionReport) {
    let (divergences, distances): (Vec<&Sweep>, Vec<&Sweep>) = report
        .sweeps
        .iter()
        .partition(|sweep| matches!(sweep.measure, Measure::TotalNats | Measure::StepsNats));
    if !divergences.is_empty() {
        let section = page.section("Total against the number of steps");
        section.paragraph(
            "Each plot changes one setting and keeps the others. Lower is better. Where a curve is flat, more steps do not help. A grid that stops \
             above the lowest noise level is continued to it in one more step, so that all points end at the same level.",
        );
        divergences.iter().for_each(|sweep| plot(section, sweep));
    }
    if !distances.is_empty() {
        let section = page.section("Samplers");
        section.paragraph(
            "W₂ (the Wasserstein-2 distance) is how far samples must move, in root mean square, to have the target’s law. It is in the units of the \
             data and is defined for every sampler.",
        );
        distances.iter().for_each(|sweep| plot(section, sweep));
    }
    if !report.slopes.is_empty() {
        slopes(page.section("Convergence orders"), &report.slopes);
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
        let points = curve.points.iter().map(|point| (point.steps as f64, point.value));
        plot = plot.series(Series::line_and_points(&curve.name, points));
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
        "A slope of −1 means that twice the steps leave half of the error, −2 a quarter. Each slope is measured at the last doubling of the number \
         of steps.",
    );
    let mut table = Table::new(
        "Measured slopes of log error against log N, and the theoretical ones.",
        ["quantity", "steps", "value", "at twice the steps", "measured slope", "theoretical"],
    );
    for slope in slopes {
        let theory = match slope.theoretical {
            Some(exponent) => number::typeset(&format!("{exponent:.0}")) + &words(&slope.theory),
            None => slope.theory.clone(),
        };
        table.push([
            Cell::from(slope.quantity.clone()),
            format!(
                "{}\u{a0}→\u{a0}{}",
                number::count(slope.steps[0] as u64),
                number::count(slope.steps[1] as u64)
            )
            .into(),
            slope.values[0].into(),
            slope.values[1].into(),
            Cell::Numeral(number::typeset(&format!("{:.2}", slope.measured)).into()),
            theory.into(),
        ]);
    }
    section.table(table);
}

fn words(theory: &str) -> String {
    if theory.is_empty() { String::new() } else { format!(" ({theory})") }
}
