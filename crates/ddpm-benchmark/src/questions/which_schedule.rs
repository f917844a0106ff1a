//! Which schedule has the least error for N steps, and which of its levels should be visited?
//!
//! Divergences are compared down to one common lowest noise level, because a schedule that stops at more noise has an easier task. W2 compares
//! the samples with the data and holds whatever a schedule leaves out.

use super::words::{exactness, shown, tables_by_target, times, times_best};
use crate::cell::{Cell, VisitedLevels};
use crate::comparison::{Comparison, ComparisonPlan};
use crate::plan::{BOTH_ENDS, Plan, SCHEDULES, TRAIN_STEPS, placement, thinned, wasserstein};
use crate::report_section::{Block, ReportSection};
use crate::sweep::Results;
use anyhow::Result;
use ddpm_core::{Grid, Level, ScheduleConfig, ScheduleKind, Scheme, Variance};
use ddpm_report::kit::{Cell as TableCell, Table};
use serde_json::json;

/// The common lowest noise level sigma/alpha of the divergences: the least that most schedules reach. Four grey levels of 256, for images in
/// [-1, 1].
const LEAST_NOISE: f64 = 0.03;

/// The sampler whose W2 is compared.
const ANCESTRAL: Scheme = Scheme::Ddpm { variance: Variance::Analytic };

/// The grids that visit the lowest level of the schedule. `trailing` stops above it, so that its divergence speaks of another law.
const DOWN_TO_THE_LOWEST: [Grid; 5] =
    [Grid::Linspace, Grid::Leading, Grid::Quadratic, Grid::LogSnr, Grid::Karras];

/// The levels of a schedule with the least and the most noise.
fn ends(kind: ScheduleKind) -> Option<(Level, Level)> {
    let schedule = ScheduleConfig::with_steps(kind, TRAIN_STEPS).build().ok()?;
    let mut levels = schedule.levels();
    Some((levels.next()?, levels.next_back()?))
}

fn reaches_the_common_level(kind: ScheduleKind) -> bool {
    ends(kind).is_some_and(|(least, _)| least.relative_sigma() <= LEAST_NOISE)
}

/// The divergences of the schedules down to the common level.
fn schedules(plan: &Plan) -> ComparisonPlan<'_> {
    ComparisonPlan {
        kind: "schedule",
        unit: "steps",
        candidates: SCHEDULES.map(|kind| kind.to_string()).to_vec(),
        // Truncated schedules have fewer levels than the whole ones.
        columns: plan.effort.steps.iter().copied().filter(|&steps| steps < TRAIN_STEPS).collect(),
        targets: plan.all(),
        cells: Box::new(move |kind, steps, target| {
            let kind = SCHEDULES[kind];
            let levels = VisitedLevels { least_noise: Some(LEAST_NOISE), ..thinned(kind, BOTH_ENDS, steps) };
            let cell = || plan.divergence(target, levels, Variance::Analytic, 0.0);
            reaches_the_common_level(kind).then(cell).into_iter().collect()
        }),
        error: |outcome| outcome.total(),
    }
}

/// W2 between data and samples, for each schedule down to its own lowest level.
fn schedules_w2(plan: &Plan) -> ComparisonPlan<'_> {
    ComparisonPlan {
        columns: plan.effort.steps.clone(),
        targets: plan.gaussians(),
        cells: Box::new(|kind, steps, target| {
            vec![wasserstein(target, thinned(SCHEDULES[kind], BOTH_ENDS, steps), ANCESTRAL)]
        }),
        error: |outcome| outcome.w2_to_data(),
        ..schedules(plan)
    }
}

/// The divergences of the grids on the linear schedule, and of the best possible placement.
fn grids(plan: &Plan) -> ComparisonPlan<'_> {
    let names = DOWN_TO_THE_LOWEST.iter().map(ToString::to_string);
    ComparisonPlan {
        kind: "grid",
        unit: "steps",
        candidates: names.chain(["best possible".to_owned()]).collect(),
        columns: plan.effort.placed.clone(),
        targets: plan.exact(),
        cells: Box::new(move |grid, steps, target| {
            vec![match DOWN_TO_THE_LOWEST.get(grid) {
                Some(&grid) => plan.divergence(
                    target,
                    thinned(ScheduleKind::Linear, grid, steps),
                    Variance::Analytic,
                    0.0,
                ),
                None => placement(target, steps),
            }]
        }),
        error: |outcome| outcome.total(),
    }
}

/// W2 of all grids on the linear schedule.
fn grids_w2(plan: &Plan) -> ComparisonPlan<'_> {
    ComparisonPlan {
        candidates: Grid::ALL.iter().map(ToString::to_string).collect(),
        targets: plan.gaussians(),
        cells: Box::new(|grid, steps, target| {
            vec![wasserstein(target, thinned(ScheduleKind::Linear, Grid::ALL[grid], steps), ANCESTRAL)]
        }),
        error: |outcome| outcome.w2_to_data(),
        ..grids(plan)
    }
}

fn comparisons(plan: &Plan) -> [ComparisonPlan<'_>; 4] {
    [schedules(plan), schedules_w2(plan), grids(plan), grids_w2(plan)]
}

pub(super) fn cells(plan: &Plan) -> Vec<Cell> {
    comparisons(plan).iter().flat_map(ComparisonPlan::cells).collect()
}

pub(super) fn section(plan: &Plan, results: &Results) -> Result<Option<ReportSection>> {
    let targets = plan.all();
    let Some(plotted) = shown(&targets) else { return Ok(None) };
    let [schedules, schedules_w2, grids, grids_w2] = comparisons(plan);
    let (schedules, schedules_w2) = (schedules.compare(results)?, schedules_w2.compare(results)?);
    let (grids, grids_w2) = (grids.compare(results)?, grids_w2.compare(results)?);
    let mut blocks = vec![
        Block::Table(schedules.table(format!(
            "Divergence down to the noise level σ/α = {LEAST_NOISE} as a multiple of the best schedule’s on the same target, geometric mean over {} targets: 1.00 is best on every \
             one. Each schedule has {TRAIN_STEPS} levels. N of those above the common level are visited, evenly spaced, both ends among them; analytic variance; no training error.",
            schedules.targets()
        ))),
        Block::Table(ends_table()),
    ];
    let table = |comparison: &Comparison, caption: String| {
        (comparison.targets() > 0).then(|| Block::Table(comparison.table(caption)))
    };
    blocks.extend(table(
        &schedules_w2,
        format!(
            "Another measure: distance W2 from the samples to the data after the last denoising, as a multiple of the best schedule’s; exact, geometric mean over the {} Gaussian \
             targets. Each schedule runs down to its own lowest level, and W2 counts what it leaves out.",
            schedules_w2.targets()
        ),
    ));
    if grids.targets() > 0 {
        blocks.push(Block::Subheading("Which of the levels".into()));
    }
    blocks.extend(table(
        &grids,
        "Divergence by the grid that places the visited levels on the linear schedule, as a multiple of the best possible placement’s (found by dynamic programming over all \
         levels); geometric mean over the targets with exact terms. All grids visit the lowest level. Trailing is missing, because it stops above that level and its divergence \
         speaks of another law."
            .to_owned(),
    ));
    blocks.extend(table(
        &grids_w2,
        "The same by W2, which counts whatever a grid leaves out: as a multiple of the best grid’s, geometric mean over the Gaussian targets.".to_owned(),
    ));
    let plot = schedules.plot(plotted, &[], "steps N", "initialization + discretization (nats)");
    let caption = format!(
        "The divergence on {} down to σ/α = {LEAST_NOISE} against the number of steps, {}; lower is better. Bars are 95 % intervals.",
        targets[plotted].name,
        exactness(plan, targets[plotted])
    );
    blocks.push(Block::Plot(Box::new(plot), caption.into()));
    blocks.extend(tables_by_target("Divergence by target", &schedules, &targets, |target| {
        format!(
            "Divergence in nats on {} down to σ/α = {LEAST_NOISE}, {}.",
            target.name,
            exactness(plan, target)
        )
    }));
    Ok(Some(ReportSection {
        name: "schedule",
        question: "Which schedule for N steps?",
        verdict: verdict(&schedules, &schedules_w2),
        detail: detail(&schedules, &grids),
        blocks,
        figures: json!({
            "least_noise": LEAST_NOISE,
            "schedules_divergence": schedules.figures(),
            "schedules_w2": schedules_w2.figures(),
            "spacings_divergence": grids.figures(),
            "spacings_w2": grids_w2.figures(),
        }),
    }))
}

fn verdict(schedules: &Comparison, schedules_w2: &Comparison) -> String {
    let by_divergence = schedules.winners_in_words();
    if schedules_w2.targets() == 0 {
        return format!("By divergence down to the noise level {LEAST_NOISE}, take {by_divergence}.");
    }
    format!(
        "By divergence down to the noise level {LEAST_NOISE}, take {by_divergence}; by the distance of the samples from the data, {}.",
        schedules_w2.winners_in_words()
    )
}

fn detail(schedules: &Comparison, grids: &Comparison) -> String {
    let mut detail = String::new();
    if let [first, .., last] = schedules.columns() {
        detail = format!(
            "The linear schedule has {} the divergence of the best at {first} steps and {} at {last}.",
            times_best(schedules, 0, 0),
            times_best(schedules, 0, schedules.columns().len() - 1),
        );
    }
    let best = DOWN_TO_THE_LOWEST
        .into_iter()
        .enumerate()
        .filter_map(|(k, grid)| Some((grid, grids.times_best(k, 0)?)))
        .min_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((grid, factor)) = best {
        detail.push_str(&format!(
            " The placement of the visited levels counts as well: on the linear schedule with {} steps the grid {grid} has {} the divergence of the best possible placement, \
             even spacing {}.",
            grids.columns()[0],
            times(factor),
            times_best(grids, 0, 0),
        ));
    }
    detail
}

/// The noise levels at which the schedules end.
fn ends_table() -> Table {
    let mut table = Table::new(
        format!(
            "The ends of the schedules. A schedule that stops at more noise leaves more to the last denoising, which the divergence does not count: divergences are compared down \
             to the common level {LEAST_NOISE}, and not (–) for a schedule that stops above it."
        ),
        ["schedule", "least noise σ/α", "most noise σ/α", "divergence"],
    );
    for kind in SCHEDULES {
        let Some((least, most)) = ends(kind) else { continue };
        let compared =
            if reaches_the_common_level(kind) { "compared" } else { "stops above the common level" };
        table.push([
            TableCell::from(kind.to_string()),
            least.relative_sigma().into(),
            most.relative_sigma().into(),
            compared.into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Computation;
    use crate::closed_form_target::{NamedTarget, TargetName};
    use crate::plan::{Effort, Mode};
    use ddpm_core::TargetSpec;

    #[test]
    fn compared_divergences_end_at_one_noise_level() {
        let law = TargetSpec::Mixture {
            weights: vec![1.0],
            means: vec![vec![0.5]],
            stds: Some(vec![1.0]),
            covs: None,
        };
        let targets = vec![NamedTarget::new(TargetName::Mixture1d, law.build().unwrap())];
        let plan = Plan { effort: Effort::new(Mode::Full, 0), targets };
        for comparison in [schedules(&plan), grids(&plan)] {
            let mut ends = Vec::new();
            for cell in comparison.cells() {
                if let Computation::Divergence { levels, .. } = cell.computation {
                    ends.push(levels.noised().unwrap().last().unwrap().relative_sigma());
                }
            }
            assert!(
                ends.len() >= 25 && ends.iter().all(|end| (end / ends[0] - 1.0).abs() < 1e-9),
                "{ends:?}"
            );
        }
    }
}
