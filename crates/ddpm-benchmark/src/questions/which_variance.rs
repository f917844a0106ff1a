//! Which variance of the ancestral steps has the least discretization, and with which does an error of the denoiser cost least?

use super::words::{exactness, tables_by_target, times};
use crate::cell::Cell;
use crate::closed_form_target::NamedTarget;
use crate::comparison::ComparisonPlan;
use crate::plan::{BOTH_ENDS, PERTURBATION, Plan, VARIANCES, thinned};
use crate::report_section::{Block, ReportSection};
use crate::sweep::Results;
use anyhow::Result;
use ddpm_core::ScheduleKind;
use serde_json::json;

fn comparison<'a>(plan: &'a Plan, targets: Vec<&'a NamedTarget>, perturbation: f64) -> ComparisonPlan<'a> {
    ComparisonPlan {
        kind: "variance",
        unit: "steps",
        candidates: VARIANCES.map(|variance| variance.to_string()).to_vec(),
        columns: plan.effort.steps.clone(),
        targets,
        cells: Box::new(move |variance, steps, target| {
            let levels = thinned(ScheduleKind::Linear, BOTH_ENDS, steps);
            vec![plan.divergence(target, levels, VARIANCES[variance], perturbation)]
        }),
        error: |outcome| Ok(outcome.divergence()?.discretization),
    }
}

/// The discretization on all targets.
fn discretization(plan: &Plan) -> ComparisonPlan<'_> {
    comparison(plan, plan.all(), 0.0)
}

/// The training term of a denoiser with a constant error, where it is exact.
fn training(plan: &Plan) -> ComparisonPlan<'_> {
    let error = |outcome: &crate::outcome::Outcome| Ok(outcome.divergence()?.training);
    ComparisonPlan { error, ..comparison(plan, plan.exact(), PERTURBATION) }
}

pub(super) fn cells(plan: &Plan) -> Vec<Cell> {
    [discretization(plan), training(plan)].iter().flat_map(ComparisonPlan::cells).collect()
}

pub(super) fn section(plan: &Plan, results: &Results) -> Result<Option<ReportSection>> {
    let (steps, targets) = (&plan.effort.steps, plan.all());
    let Some(last) = steps.len().checked_sub(1).filter(|_| !targets.is_empty()) else { return Ok(None) };
    let (discretization, training) =
        (discretization(plan).compare(results)?, training(plan).compare(results)?);
    let [small, large, analytic] = [0, 1, 2];
    let (cases, undecided) = (steps.len() * targets.len(), discretization.undecided());
    let wins = |candidate: usize| -> usize {
        (0..steps.len()).map(|column| discretization.wins(candidate, column)).sum()
    };
    let ratio = |comparison: &crate::comparison::Comparison, candidate: usize, column: usize| {
        let of = |candidate| comparison.times_best(candidate, column).unwrap_or(f64::NAN);
        times(of(candidate) / of(analytic))
    };
    let factor = |candidate, column| ratio(&discretization, candidate, column);
    let best = (0..VARIANCES.len()).max_by_key(|&candidate| wins(candidate)).unwrap_or(analytic);
    let open = match undecided {
        0 => String::new(),
        _ => format!(" In {undecided} cases the differences lie within the 95 % interval of the estimates."),
    };
    let verdict = format!(
        "Take the {} variance: it has the least discretization in {} of {cases} cases of targets and steps.{open}",
        VARIANCES[best],
        wins(best)
    );
    let mut detail = format!(
        "Compared with the analytic one, fixed-large costs {} and fixed-small {} as much discretization at {} steps, {} and {} at {}.",
        factor(large, 0),
        factor(small, 0),
        steps[0],
        factor(large, last),
        factor(small, last),
        steps[last],
    );
    if training.targets() > 0 {
        detail.push_str(&format!(
            " An error of the network also costs differently: at {} steps the same error costs {} the nats with fixed-small and {} with fixed-large that it costs with the \
             analytic variance.",
            steps[last],
            ratio(&training, small, last),
            ratio(&training, large, last),
        ));
    }
    let mut blocks = vec![
        Block::Table(discretization.table(
            "Discretization as a multiple of the best variance’s on the same target, geometric mean over targets. Linear schedule, evenly spaced levels.",
        )),
        Block::Table(training.table(format!(
            "What a training error costs: nats for a denoiser that is wrong by {PERTURBATION} in every component, as a multiple of the cheapest variance’s, geometric mean over \
             targets with exact terms."
        ))),
    ];
    blocks.extend(tables_by_target("By target", &discretization, &targets, |target| {
        format!("Discretization in nats on {}, {}.", target.name, exactness(plan, target))
    }));
    Ok(Some(ReportSection {
        name: "variance",
        question: "Which variance?",
        verdict,
        detail,
        blocks,
        figures: json!({
            "discretization": discretization.figures(),
            "training": training.figures(),
            "analytic_is_best": wins(analytic),
            "undecided": undecided,
            "cases": cases,
        }),
    }))
}
