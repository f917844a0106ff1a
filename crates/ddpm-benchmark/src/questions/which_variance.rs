//! Which variance of the steps?

use super::words::{kind_of, names, times};
use crate::cell::Cell;
use crate::closed_form_target::NamedTarget;
use crate::comparison::Comparison;
use crate::plan::{PERTURBATION, Plan, VARIANCES, WHOLE, thinned};
use crate::report_section::{Block, ReportSection};
use crate::sweep::Results;
use anyhow::Result;
use ddpm_core::{ScheduleKind, Variance};
use ddpm_report::kit::Text;
use serde_json::json;

fn of(plan: &Plan, target: &NamedTarget, steps: usize, variance: Variance, perturbation: f64) -> Cell {
    plan.divergence(target, thinned(ScheduleKind::Linear, WHOLE, steps), variance, perturbation)
}

pub(super) fn cells(plan: &Plan) -> Vec<Cell> {
    let mut cells = Vec::new();
    for target in &plan.targets {
        for &steps in &plan.effort.steps {
            for variance in VARIANCES {
                cells.push(of(plan, target, steps, variance, 0.0));
                if target.is_exact() {
                    cells.push(of(plan, target, steps, variance, PERTURBATION));
                }
            }
        }
    }
    cells
}

pub(super) fn answer(plan: &Plan, results: &Results) -> Result<Option<ReportSection>> {
    let (steps, targets) = (&plan.effort.steps, &plan.targets);
    let Some(last) = steps.len().checked_sub(1).filter(|_| !targets.is_empty()) else { return Ok(None) };
    let variances = VARIANCES.map(|variance| variance.to_string()).to_vec();
    let all: Vec<&NamedTarget> = targets.iter().collect();
    let exact: Vec<&NamedTarget> = targets.iter().filter(|target| target.is_exact()).collect();
    let discretization =
        Comparison::new(variances.clone(), steps, names(&all), |variance, column, target| {
            let cell = of(plan, all[target], steps[column], VARIANCES[variance], 0.0);
            Ok::<_, anyhow::Error>(Some(results.divergence(&cell)?.discretization.value))
        })?;
    let training = Comparison::new(variances, steps, names(&exact), |variance, column, target| {
        let cell = of(plan, exact[target], steps[column], VARIANCES[variance], PERTURBATION);
        Ok::<_, anyhow::Error>(Some(results.divergence(&cell)?.training.value))
    })?;
    let [small, large, analytic] = [0, 1, 2];
    let cases = steps.len() * targets.len();
    let wins = |candidate: usize| -> usize {
        (0..steps.len()).map(|column| discretization.wins(candidate, column)).sum()
    };
    let factor = |candidate: usize, column: usize| {
        let of = |candidate| discretization.times_best(candidate, column).unwrap_or(f64::NAN);
        times(of(candidate) / of(analytic))
    };
    let weight = |candidate: usize| {
        let of = |candidate| training.times_best(candidate, last).unwrap_or(f64::NAN);
        of(candidate) / of(analytic)
    };
    let best =
        (0..VARIANCES.len()).map(|candidate| (candidate, wins(candidate))).max_by_key(|(_, wins)| *wins);
    let (best, won) = best.unwrap_or((analytic, 0));
    let verdict = format!(
        "Take the {} variance: it has the least discretization in {won} of {cases} cases of targets and steps.",
        VARIANCES[best]
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
            " Errors of the network weigh differently too: at {} steps the same error costs {} the nats with fixed-small and {} with fixed-large that it costs with \
             the analytic variance.",
            steps[last],
            times(weight(small)),
            times(weight(large)),
        ));
    }
    let mut blocks = vec![
        Block::Table(discretization.table(
            "Discretization as a multiple of the best variance’s on the same target, geometric mean over targets. Linear schedule, evenly spaced levels.",
            "variance",
            "steps",
        )),
        Block::Table(training.table(
            Text::new("What a training error costs: nats for a denoiser that is wrong by ")
                .plain(format!("{PERTURBATION} in every component, as a multiple of the cheapest variance’s, geometric mean over targets with exact terms.")),
            "variance",
            "steps",
        )),
        Block::Subheading("By target".into()),
    ];
    for (k, target) in targets.iter().enumerate() {
        let caption = format!("Discretization in nats on {}, {}.", target.name, kind_of(plan, target));
        blocks.push(Block::Table(discretization.table_of(k, caption, "variance", "steps")));
    }
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
            "cases": cases,
        }),
    }))
}
