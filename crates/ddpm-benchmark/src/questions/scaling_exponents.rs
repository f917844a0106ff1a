//! How does each term scale? Measured exponents beside the theoretical ones.

use super::scaling_laws::{
    DIVERGENCE_STOP, Group, MeasuredLaw, ORDER_STOP, ScalingLaw, TOLERANCE, laws, measure,
};
use super::words::short;
use crate::cell::Cell;
use crate::closed_form_target::TargetName;
use crate::plan::Plan;
use crate::report_section::{Block, ReportSection};
use crate::sweep::Results;
use anyhow::Result;
use ddpm_core::{ExpectedExponent, FIXED_SMALL_LIMIT};
use ddpm_report::kit::{Axis, Cell as TableCell, Plot, Series, Table, Text, number};
use serde_json::json;

/// The samplers whose convergence is plotted.
const PLOTTED: [&str; 6] = ["ddpm (fixed-large)", "ddim", "ode-heun", "dpmpp-2m", "unipc", "ode-rk4"];

pub(super) fn cells(plan: &Plan) -> Vec<Cell> {
    laws(plan).into_iter().flat_map(ScalingLaw::cells).collect()
}

pub(super) fn section(plan: &Plan, results: &Results) -> Result<Option<ReportSection>> {
    let measured = measure(plan, results)?;
    if measured.is_empty() {
        return Ok(None);
    }
    let judged: Vec<&MeasuredLaw> = measured.iter().filter(|law| law.agrees.is_some()).collect();
    let agreeing = judged.iter().filter(|law| law.agrees == Some(true)).count();
    let limits = limits(plan, &measured);
    let mut blocks: Vec<Block> = tables(&measured).into();
    blocks.insert(1, Block::Table(limits_table(&limits)));
    blocks.extend(length_plot(&measured));
    blocks.extend(sampler_plot(&measured));
    blocks.push(Block::Paragraph(Text::new(
        "An exponent p means: proportional to the p-th power. The fit is a straight line through all points of a log-log plot; its ± is one standard error. For exact figures that \
         error measures how far the points are from a power law, not noise. The exponent at the end belongs to the last two points alone and is nearest to the limit that theory \
         speaks of.",
    )));
    Ok(Some(ReportSection {
        name: "scaling",
        question: "How does each term scale?",
        verdict: format!(
            "{agreeing} of {} measured exponents agree with theory, within {TOLERANCE} or, where terms are estimated, two standard errors.",
            judged.len()
        ),
        detail: detail(&judged, &limits),
        blocks,
        figures: json!({"exponents": measured, "fixed_small_nats_per_dimension": limits}),
    }))
}

fn detail(judged: &[&MeasuredLaw], limits: &[(TargetName, f64)]) -> String {
    let mut detail =
        "In theory twice the steps halve the discretization of ancestral sampling and quarter the W2 error of second-order samplers, and half the denoiser’s error leaves a \
         quarter of the training term."
            .to_owned();
    for law in judged.iter().filter(|law| law.agrees == Some(false)) {
        detail.push_str(&format!(
            " Not in agreement: {} on {}, {} in theory, {} measured at the end of the range.",
            law.quantity,
            law.target,
            in_words(law.theory),
            number::typeset(&format!("{:.2}", law.fit.last_exponent)),
        ));
    }
    if let Some((target, limit)) = limits.first() {
        detail.push_str(&format!(
            " With fixed-small on the linear schedule discretization does not vanish: it tends to {FIXED_SMALL_LIMIT:.4} nats a dimension. On {target} it is {} with the longest \
             schedule.",
            short(*limit, 3),
        ));
    }
    detail
}

/// An expected exponent as tables show it.
fn in_words(theory: ExpectedExponent) -> String {
    number::typeset(&match theory {
        ExpectedExponent::Is(value) => value.to_string(),
        ExpectedExponent::Between(low, high) => format!("{low} to {high}"),
        ExpectedExponent::TendsToZero => "to 0".to_owned(),
    })
}

fn tables(measured: &[MeasuredLaw]) -> [Block; 4] {
    let table = |group, first: &str, caption: String| {
        let mut table =
            Table::new(caption, [first, "target", "theory", "exponent, fit", "at the end", "agrees"]);
        for law in measured.iter().filter(|law| law.group == group) {
            let numeral = |text: String| TableCell::Numeral(number::typeset(&text).into());
            table.push([
                TableCell::from(law.quantity.as_str()),
                law.target.to_string().into(),
                TableCell::Numeral(in_words(law.theory).into()),
                numeral(format!("{:.2} ± {:.2}", law.fit.exponent, law.fit.stderr)),
                numeral(format!("{:.2}", law.fit.last_exponent)),
                match law.agrees {
                    None => "in the limit".into(),
                    Some(true) => "yes".into(),
                    Some(false) => TableCell::Text(Text::default().strong("no")),
                },
            ]);
        }
        Block::Table(table)
    };
    [
        table(
            Group::Lengths,
            "variance",
            "Discretization of linear schedules of T levels, all visited, by T. “To 0” means that the term has a limit that is not zero and approaches it slowly: the ratios of the \
             lowest noise levels do not shrink as the schedule grows. “−1 to 0”: the data have directions narrower than the least noise, such as pixels that never change. A longer \
             schedule begins to resolve them, so that the limit −1 is not reached at these lengths."
                .to_owned(),
        ),
        table(
            Group::Process,
            "variance",
            format!(
                "Discretization with N steps evenly spaced in log-SNR along the continuous process down to t = {DIVERGENCE_STOP}, by N: here all three variances fall as 1/N."
            ),
        ),
        table(
            Group::Others,
            "term and what it scales with",
            "The other terms. W2 of truncation is quadratic in the noise where the data are wider than it in every direction, linear where they are narrower."
                .to_owned(),
        ),
        table(
            Group::Samplers,
            "sampler",
            format!(
                "Samplers: W2 from the true law at the start to the law at t = {ORDER_STOP}, discretization alone, by the number of steps; theory is minus the order."
            ),
        ),
    ]
}

/// The discretization a dimension of fixed-small with the longest schedule, by target.
fn limits(plan: &Plan, measured: &[MeasuredLaw]) -> Vec<(TargetName, f64)> {
    let of = |law: &MeasuredLaw| {
        let dim = plan.target(law.target)?.law.dim() as f64;
        Some((law.target, law.points.last()?[1] / dim))
    };
    let unvanishing =
        |law: &&MeasuredLaw| law.group == Group::Lengths && law.theory == ExpectedExponent::TendsToZero;
    measured.iter().filter(unvanishing).filter_map(of).collect()
}

fn limits_table(limits: &[(TargetName, f64)]) -> Table {
    let mut table = Table::new(
        format!(
            "Fixed-small with the longest schedule: discretization a dimension. It tends to {FIXED_SMALL_LIMIT:.4} on every target."
        ),
        ["target", "nats a dimension"],
    );
    for (target, limit) in limits {
        table.push([TableCell::from(target.to_string()), (*limit).into()]);
    }
    table
}

/// Curves of laws, and lines of theoretical slopes from `top` at the first point: (name, power).
fn plot(
    title: String,
    (x, y): (&str, &str),
    laws: &[&MeasuredLaw],
    top: f64,
    guides: &[(&str, i32)],
    caption: String,
) -> Option<Block> {
    let points = &laws.first()?.points;
    let (first, last) = (points.first()?[0], points.last()?[0]);
    let mut plot = Plot::new(title, Axis::log(x), Axis::log(y));
    for law in laws {
        let points: Vec<(f64, f64)> = law.points.iter().map(|p| (p[0], p[1])).collect();
        plot = plot.series(Series::line_and_points(law.quantity.clone(), points));
    }
    for (name, power) in guides {
        plot = plot.series(Series::guide(*name, [(first, top), (last, top * (last / first).powi(*power))]));
    }
    Some(Block::Plot(Box::new(plot), caption.into()))
}

fn length_plot(measured: &[MeasuredLaw]) -> Option<Block> {
    let on = |name: TargetName| {
        measured.iter().filter(|law| law.group == Group::Lengths && law.target == name).collect::<Vec<_>>()
    };
    let choices = [TargetName::DigitsGaussian, TargetName::Gaussian2d, TargetName::Mixture1d];
    let laws = choices.map(on).into_iter().find(|laws| laws.len() > 1)?;
    plot(
        format!("Discretization by schedule length, {}", laws[0].target),
        ("levels T, all visited", "discretization (nats)"),
        &laws,
        0.6 * laws[1].points[0][1],
        &[("∝ 1/T", -1)],
        "Twice the levels halve the term, except with fixed-small, which has a limit that is not zero."
            .to_owned(),
    )
}

fn sampler_plot(measured: &[MeasuredLaw]) -> Option<Block> {
    let plotted =
        |law: &&MeasuredLaw| law.group == Group::Samplers && PLOTTED.contains(&law.quantity.as_str());
    let laws: Vec<&MeasuredLaw> = measured.iter().filter(plotted).collect();
    let first = laws.first()?;
    plot(
        "Discretization of samplers in W2".to_owned(),
        ("steps N", "W2 to the law at the end"),
        &laws,
        1.8 * first.points[0][1],
        &[("∝ 1/N", -1), ("∝ 1/N²", -2)],
        format!("A selection of the samplers on {}, exact. A steeper line is a higher order.", first.target),
    )
}
