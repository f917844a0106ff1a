//! Which schedule, and which of its levels, for N steps?

use super::words::{kind_of, names, times};
use crate::cell::Cell;
use crate::closed_form_target::{NamedTarget, TargetName};
use crate::comparison::Comparison;
use crate::plan::{Plan, SCHEDULES, TRAIN_STEPS, WHOLE, thinned};
use crate::report_section::{Block, ReportSection};
use crate::sweep::Results;
use anyhow::Result;
use ddpm_core::{Grid, ScheduleKind, Scheme, Variance};
use ddpm_report::kit::{Axis, Cell as TableCell, Plot, Series, Table};
use serde_json::json;

/// A chain that stops at so much noise that the bound on what it leaves exceeds this share of the data's spread has an easier task and is
/// not compared by its divergence.
const MOST_TRUNCATION: f64 = 0.1;

/// The sampler whose distance checks the divergences.
const ANCESTRAL: Scheme = Scheme::Ddpm { variance: Variance::Analytic };

/// The spacings that visit the chain's lowest level, so that their divergences speak of the same law.
const DOWN_TO_THE_END: [Grid; 5] =
    [Grid::Linspace, Grid::Leading, Grid::Quadratic, Grid::LogSnr, Grid::Karras];

fn by_divergence(plan: &Plan, target: &NamedTarget, kind: ScheduleKind, grid: Grid, steps: usize) -> Cell {
    plan.divergence(target, thinned(kind, grid, steps), Variance::Analytic, 0.0)
}

fn by_distance(plan: &Plan, target: &NamedTarget, kind: ScheduleKind, grid: Grid, steps: usize) -> Cell {
    plan.wasserstein(target, thinned(kind, grid, steps), ANCESTRAL)
}

pub(super) fn cells(plan: &Plan) -> Vec<Cell> {
    let mut cells = Vec::new();
    for target in &plan.targets {
        for &steps in &plan.effort.steps {
            cells.extend(SCHEDULES.map(|kind| by_divergence(plan, target, kind, WHOLE, steps)));
        }
        for &steps in plan.effort.placed.iter().filter(|_| target.is_exact()) {
            let of = |grid| by_divergence(plan, target, ScheduleKind::Linear, grid, steps);
            cells.extend(DOWN_TO_THE_END.map(of));
            cells.push(plan.placement(target, steps));
        }
    }
    for target in plan.gaussians() {
        for &steps in &plan.effort.steps {
            cells.extend(SCHEDULES.map(|kind| by_distance(plan, target, kind, WHOLE, steps)));
        }
        for &steps in &plan.effort.placed {
            cells.extend(Grid::ALL.map(|grid| by_distance(plan, target, ScheduleKind::Linear, grid, steps)));
        }
    }
    cells
}

/// The comparisons that the answer rests on.
struct Comparisons {
    schedules: Comparison,
    schedules_w2: Comparison,
    placements: Comparison,
    spacings_w2: Comparison,
}

impl Comparisons {
    fn new(plan: &Plan, results: &Results) -> Result<Self> {
        let (steps, placed) = (&plan.effort.steps, &plan.effort.placed);
        let all: Vec<&NamedTarget> = plan.targets.iter().collect();
        let gaussians: Vec<&NamedTarget> = plan.gaussians().collect();
        let exact: Vec<&NamedTarget> = all.iter().copied().filter(|target| target.is_exact()).collect();
        let kinds = || SCHEDULES.map(|kind| kind.to_string()).to_vec();
        let schedules = Comparison::new(kinds(), steps, names(&all), |kind, column, target| {
            let cell = by_divergence(plan, all[target], SCHEDULES[kind], WHOLE, steps[column]);
            let terms = results.divergence(&cell)?;
            let comparable = terms.truncation_w2_bound <= MOST_TRUNCATION * all[target].spread();
            Ok::<_, anyhow::Error>(comparable.then_some(terms.total.value))
        })?;
        let schedules_w2 = Comparison::new(kinds(), steps, names(&gaussians), |kind, column, target| {
            let cell = by_distance(plan, gaussians[target], SCHEDULES[kind], WHOLE, steps[column]);
            Ok::<_, anyhow::Error>(Some(results.wasserstein(&cell)?.errors.from_normal))
        })?;
        let spacings = DOWN_TO_THE_END.iter().map(ToString::to_string).chain(["best possible".to_owned()]);
        let placements =
            Comparison::new(spacings.collect(), placed, names(&exact), |grid, column, target| {
                let (target, steps) = (exact[target], placed[column]);
                let terms = |grid| {
                    results.divergence(&by_divergence(plan, target, ScheduleKind::Linear, grid, steps))
                };
                Ok::<_, anyhow::Error>(Some(match DOWN_TO_THE_END.get(grid) {
                    Some(&grid) => terms(grid)?.total.value,
                    // It keeps both ends of the chain, like linspace, and so the same start.
                    None => {
                        terms(Grid::Linspace)?.init.value
                            + results.placement(&plan.placement(target, steps))?.discretization
                    }
                }))
            })?;
        let grids = Grid::ALL.iter().map(ToString::to_string).collect();
        let spacings_w2 = Comparison::new(grids, placed, names(&gaussians), |grid, column, target| {
            let (grid, steps) = (Grid::ALL[grid], placed[column]);
            let cell = by_distance(plan, gaussians[target], ScheduleKind::Linear, grid, steps);
            Ok::<_, anyhow::Error>(Some(results.wasserstein(&cell)?.errors.from_normal))
        })?;
        Ok(Comparisons { schedules, schedules_w2, placements, spacings_w2 })
    }
}

pub(super) fn answer(plan: &Plan, results: &Results) -> Result<Option<ReportSection>> {
    if plan.targets.is_empty() || plan.effort.steps.is_empty() {
        return Ok(None);
    }
    let found = Comparisons::new(plan, results)?;
    let mut blocks = vec![
        Block::Table(found.schedules.table(
            format!(
                "Divergence as a multiple of the best schedule’s on the same target, geometric mean over {} targets: 1.00 is best on every one. Each \
                 schedule has {TRAIN_STEPS} levels, of which N evenly spaced ones are visited, both ends among them; analytic variance; no training error.",
                found.schedules.targets()
            ),
            "schedule",
            "steps",
        )),
        Block::Table(ends(plan, results)?),
    ];
    if found.schedules_w2.targets() > 0 {
        blocks.push(Block::Table(found.schedules_w2.table(
            format!(
                "A check by another measure: distance W2 from the samples to the data after the last denoising, truncation included, as a multiple of the \
                 best schedule’s; exact, geometric mean over the {} Gaussian targets.",
                found.schedules_w2.targets()
            ),
            "schedule",
            "steps",
        )));
    }
    if found.placements.targets() > 0 {
        blocks.push(Block::Subheading("Which of the levels".into()));
        blocks.push(Block::Table(found.placements.table(
            "Divergence by the spacing of the visited levels on the linear schedule, as a multiple of the best possible placement’s (found by dynamic programming over all of them); \
             geometric mean over the targets with exact terms. Trailing is missing: it stops short of the lowest level, so that its divergence \
             speaks of another law.",
            "spacing",
            "steps",
        )));
    }
    if found.spacings_w2.targets() > 0 {
        blocks.push(Block::Table(found.spacings_w2.table(
            "The same by W2, which counts whatever a spacing leaves out: as a multiple of the best spacing’s, geometric mean over the Gaussian targets.",
            "spacing",
            "steps",
        )));
    }
    if let Some(target) = plan.target(TargetName::DigitsGaussian).or(plan.targets.first()) {
        blocks.push(plot(plan, results, target)?);
    }
    blocks.push(Block::Subheading("Divergence by target".into()));
    for (k, target) in plan.targets.iter().enumerate() {
        let caption = format!("Divergence in nats on {}, {}.", target.name, kind_of(plan, target));
        blocks.push(Block::Table(found.schedules.table_of(k, caption, "schedule", "steps")));
    }
    Ok(Some(ReportSection {
        name: "schedule",
        question: "Which schedule for N steps?",
        verdict: verdict(&found),
        detail: detail(plan, &found),
        blocks,
        figures: json!({
            "schedules_divergence": found.schedules.figures(),
            "schedules_w2": found.schedules_w2.figures(),
            "spacings_divergence": found.placements.figures(),
            "spacings_w2": found.spacings_w2.figures(),
        }),
    }))
}

fn verdict(found: &Comparisons) -> String {
    let by_divergence = found.schedules.winners_in_words("steps");
    if found.schedules_w2.targets() == 0 {
        return format!("Take {by_divergence}.");
    }
    let by_distance = found.schedules_w2.winners_in_words("steps");
    format!(
        "Judged by divergence, take {by_divergence}; judged by the distance of the samples from the data, {by_distance}."
    )
}

fn detail(plan: &Plan, found: &Comparisons) -> String {
    let steps = &plan.effort.steps;
    let linear = |column: usize| found.schedules.times_best(0, column).map_or("–".into(), times);
    let mut detail = String::new();
    if let [first, .., last] = steps[..] {
        detail = format!(
            "The linear schedule has {} the divergence of the best at {first} steps and {} at {last}.",
            linear(0),
            linear(steps.len() - 1),
        );
    }
    let spacing = |column: usize| {
        let candidates = DOWN_TO_THE_END.into_iter().enumerate();
        candidates
            .filter_map(|(k, grid)| Some((grid, found.placements.times_best(k, column)?)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
    };
    if let (Some((grid, factor)), Some(even)) = (spacing(0), found.placements.times_best(0, 0)) {
        detail.push_str(&format!(
            " Which levels are visited counts as well: on the linear schedule with {} steps the spacing {grid} has {} the divergence of the best possible \
             placement, even spacing {}.",
            plan.effort.placed[0],
            times(factor),
            times(even),
        ));
    }
    detail
}

/// Where each schedule starts and ends.
fn ends(plan: &Plan, results: &Results) -> Result<Table> {
    let mut table = Table::new(
        format!(
            "Where the schedules end. One that stops at more noise leaves more to the last denoising, which the divergence does not count: where the bound \
             on that exceeds {:.0} % of a target’s spread, its divergence is not compared (–).",
            100.0 * MOST_TRUNCATION
        ),
        ["schedule", "least noise σ/α", "most noise σ/α", "compared on"],
    );
    let Some(&most) = plan.effort.steps.last() else { return Ok(table) };
    for kind in SCHEDULES {
        let mut compared = 0;
        let mut described = None;
        for target in &plan.targets {
            let terms = results.divergence(&by_divergence(plan, target, kind, WHOLE, most))?;
            compared += usize::from(terms.truncation_w2_bound <= MOST_TRUNCATION * target.spread());
            described = Some(terms);
        }
        let Some(terms) = described else { continue };
        table.push([
            TableCell::from(kind.to_string()),
            terms.least_noise.into(),
            terms.most_noise.into(),
            format!("{compared} of {} targets", plan.targets.len()).into(),
        ]);
    }
    Ok(table)
}

fn plot(plan: &Plan, results: &Results, target: &NamedTarget) -> Result<Block> {
    let mut plot = Plot::new(
        format!("Divergence by schedule, {}", target.name),
        Axis::log("steps N"),
        Axis::log("initialization + discretization (nats)"),
    );
    for kind in SCHEDULES {
        let mut points = Vec::new();
        for &steps in &plan.effort.steps {
            let terms = results.divergence(&by_divergence(plan, target, kind, WHOLE, steps))?;
            if terms.truncation_w2_bound <= MOST_TRUNCATION * target.spread() {
                points.push((steps as f64, terms.total.value, terms.total.stderr));
            }
        }
        if !points.is_empty() {
            plot = plot.series(Series::line_and_points(kind.to_string(), points));
        }
    }
    let caption = format!(
        "The divergence on {} against the number of steps, {}; lower is better.",
        target.name,
        kind_of(plan, target)
    );
    Ok(Block::Plot(Box::new(plot), caption.into()))
}
