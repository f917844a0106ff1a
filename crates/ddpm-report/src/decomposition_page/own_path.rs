//! How far the states that a sampler visits drift from noised data.

use crate::kit::{Axis, Cell, Page, Plot, Point, Series, Style, Table, number};
use crate::results::{OwnPathLevel, OwnPathReport, StateMoments};
use ddpm_core::interval::Interval;

/// Rows of the table.
const ROWS: usize = 12;

pub(super) fn add_to(page: &mut Page, found: Option<&OwnPathReport>) {
    let Some(found) = found else { return };
    let section = page.section("On the sampler’s own path");
    section.paragraph(INTRODUCTION).paragraph(facts(found));
    section.plot(
        ratios(found),
        "Moments on the sampler’s path over those of noised data, by signal-to-noise ratio. At 1 they are equal, which does not prove equal laws.",
    );
    section.table(table(found));
}

const INTRODUCTION: &str = "The network was trained on noised data; a sampler shows it the states that its own steps led to (exposure bias). What differs \
    between the two is the error of the start and of the steps as well as the network’s: even an ideal denoiser drifts by them.";

/// How it was measured.
pub(super) fn facts(found: &OwnPathReport) -> String {
    format!(
        "{} samples of {} in {} steps beside {} noised images ({}), the same network and thresholding on both. The {} leading principal axes have {} of the \
         data’s variance.",
        number::count(found.samples),
        found.sampler,
        number::count(found.steps),
        number::count(found.images),
        found.data,
        found.axis_shares.len(),
        number::percent(found.axis_shares.iter().sum()),
    )
}

/// A selection of the levels.
pub(super) fn table(found: &OwnPathReport) -> Table {
    let columns = ["t", "SNR", "variance of xₜ, data", "path", "variance of x̂₀, data", "path"];
    let mut table = Table::new("States on the sampler’s path and noised data, by component.", columns);
    let (count, rows) = (found.levels.len(), ROWS.min(found.levels.len()));
    for row in 0..rows {
        let index = if rows > 1 { row * (count - 1) / (rows - 1) } else { 0 };
        let OwnPathLevel { t, snr, data, path, .. } = &found.levels[index];
        table.push([
            t.map_or(Cell::Empty, |t| Cell::Numeral(t.to_string().into())),
            (*snr).into(),
            Cell::Measured(data.variance),
            Cell::Measured(path.variance),
            Cell::Measured(data.x0_variance),
            Cell::Measured(path.x0_variance),
        ]);
    }
    table
}

fn ratios(found: &OwnPathReport) -> Plot {
    let series = |name: &str, of: &dyn Fn(&StateMoments) -> Option<Interval>| {
        let points: Vec<Point> = found
            .levels
            .iter()
            .filter_map(|level| {
                let (data, path) = (of(&level.data)?, of(&level.path)?);
                let usable = level.snr > 0.0 && data.value > 0.0;
                // Relative half widths of independent numbers.
                let relative =
                    |of: &Interval| 0.5 * (of.high - of.low) / of.value.abs().max(f64::MIN_POSITIVE);
                let ratio = path.value / data.value;
                let half = ratio * relative(&data).hypot(relative(&path));
                usable.then(|| Point::with_interval(level.snr, ratio, ratio - half, ratio + half))
            })
            .collect();
        Series::new(name, Style::LineAndPoints, points)
    };
    Plot::new(
        "Path over data",
        Axis::log("signal-to-noise ratio"),
        Axis::linear("moment on the path over that of noised data"),
    )
    .description("Ratios of moments on the sampler's path to those of noised data by signal-to-noise ratio.")
    .series(series("variance of xₜ", &|moments| Some(moments.variance)))
    .series(series("E ε²", &|moments| Some(moments.squared_epsilon)))
    .series(series("variance of x̂₀", &|moments| Some(moments.x0_variance)))
    .series(series("variance of xₜ, first axis", &|moments| moments.along_axes.first().copied()))
    .mark_y(1.0, "equal")
}
