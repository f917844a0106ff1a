//! What each step of a deterministic sampler costs in its final sample.

use crate::confidence::interval_of;
use crate::kit::{Axis, Cell, Page, Plot, Point, Series, Style, Table, number};
use crate::results::StepErrorReport;

/// Rows of the table in a page and in a terminal.
const ROWS: usize = 12;

pub(super) fn add_to(page: &mut Page, errors: Option<&StepErrorReport>) {
    let Some(errors) = errors else { return };
    let section = page.section("Where the sampler errs");
    section.paragraph(INTRODUCTION).paragraph(totals(errors));
    section.plot(
        curves(errors),
        "What each step costs in the final sample, and its local error, by the signal-to-noise ratio at which it begins.",
    );
    section.table(table(errors, true));
    section.paragraph_if(placement(errors));
}

const INTRODUCTION: &str = "The network defines a flow from noise to samples, and the sampler solves it in few steps. The difference between its sample \
    and the flow’s from the same noise is the sum of one contribution from each step, exactly: what remains when the flow is followed from the \
    state after the step instead of from the state before it. The network’s own error is in neither.";

/// The whole error and how it was found.
pub(super) fn totals(errors: &StepErrorReport) -> String {
    format!(
        "{} starting states, {} steps of {} against {} steps of DDIM. Root mean square difference of a component: {}; of the features by {}: {}. The \
         contributions sum to it up to {} of it. The flow goes on to the lowest level, from which its last step to data is the network’s prediction.",
        number::count(errors.paths),
        number::count(errors.steps),
        errors.sampler,
        number::count(errors.fine_steps),
        number::number(errors.total_rms),
        errors.extractor,
        number::number(errors.total_feature_distance),
        number::number(errors.sum_residual),
    )
}

/// The steps, all of them or the costliest.
pub(super) fn table(errors: &StepErrorReport, all: bool) -> Table {
    let mut order: Vec<usize> = (0..errors.entries.len()).collect();
    let shown = if all || order.len() <= ROWS { order.len() } else { ROWS };
    order.sort_by(|&a, &b| errors.entries[b].rms.total_cmp(&errors.entries[a].rms));
    order.truncate(shown);
    order.sort_unstable();
    let caption = if shown == errors.entries.len() {
        "What each step costs.".to_owned()
    } else {
        format!("What the {shown} costliest of {} steps cost.", errors.entries.len())
    };
    let columns = [
        "t",
        "SNR",
        "cost in the sample",
        "share",
        "local error",
        "amplification",
        "cost in features",
        "share",
    ];
    let mut table = Table::new(caption, columns);
    for index in order {
        let entry = &errors.entries[index];
        table.push([
            entry.t.map_or(Cell::Empty, |t| Cell::Numeral(t.to_string().into())),
            entry.snr.into(),
            Cell::AtLeastZero(interval_of(entry.rms, entry.rms_stderr)),
            Cell::Percent(entry.share),
            entry.local_rms.into(),
            entry.amplification.map_or(Cell::Empty, Cell::from),
            entry.feature_distance.into(),
            Cell::Percent(entry.feature_share),
        ]);
    }
    table
}

/// The levels that the costs suggest.
pub(super) fn placement(errors: &StepErrorReport) -> Option<String> {
    let levels = errors.placement.as_ref()?;
    let names: Vec<String> = levels
        .iter()
        .map(|level| match level.t {
            Some(t) => t.to_string(),
            None => number::plain(level.log_snr, 4),
        })
        .collect();
    let what = if levels.iter().all(|level| level.t.is_some()) { "t" } else { "log-SNR" };
    Some(format!(
        "As many levels at which each step of order {} would cost the same, from the costs of these ({what}, the noisiest first): {}.",
        errors.order,
        names.join(", ")
    ))
}

fn curves(errors: &StepErrorReport) -> Plot {
    let finite = |values: Vec<(f64, f64, f64)>| -> Vec<Point> {
        values
            .into_iter()
            .filter(|(x, y, _)| *x > 0.0 && *y > 0.0)
            .map(|(x, y, stderr)| {
                Point::with_interval(x, y, (y - 1.96 * stderr).max(0.1 * y), y + 1.96 * stderr)
            })
            .collect()
    };
    let of = |value: &dyn Fn(usize) -> (f64, f64)| {
        finite(
            errors
                .entries
                .iter()
                .enumerate()
                .map(|(k, entry)| {
                    let (y, e) = value(k);
                    (entry.snr, y, e)
                })
                .collect(),
        )
    };
    Plot::new("What each step costs", Axis::log("signal-to-noise ratio"), Axis::log("root mean square"))
        .description(
            "Contribution to the final sample and local error of each step by signal-to-noise ratio.",
        )
        .series(Series::new(
            "cost in the sample",
            Style::LineAndPoints,
            of(&|k| (errors.entries[k].rms, errors.entries[k].rms_stderr)),
        ))
        .series(Series::new("local error", Style::LineAndPoints, of(&|k| (errors.entries[k].local_rms, 0.0))))
        .series(Series::new(
            "cost in features",
            Style::LineAndPoints,
            of(&|k| (errors.entries[k].feature_distance, 0.0)),
        ))
}
