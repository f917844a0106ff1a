//! Which sampler, at equal cost?

use super::words::{names, times};
use crate::cell::Cell;
use crate::closed_form_target::{NamedTarget, TargetName};
use crate::comparison::{Comparison, join};
use crate::plan::{NamedSampler, Plan, samplers, thinned};
use crate::report_section::{Block, ReportSection};
use crate::sweep::Results;
use anyhow::Result;
use ddpm_core::{Grid, ScheduleKind};
use ddpm_report::kit::{Axis, Cell as TableCell, Plot, Series, Table, number};
use serde_json::json;

/// The spacings that samplers are tried with: the usual one and the one made for solvers.
const SPACINGS: [Grid; 2] = [Grid::Trailing, Grid::LogSnr];

/// A sampler at a number of evaluations: as many steps as that pays for, at least two.
fn of(plan: &Plan, target: &NamedTarget, sampler: &NamedSampler, budget: usize, grid: Grid) -> Cell {
    let steps = (budget / sampler.evaluations).max(2);
    plan.wasserstein(target, thinned(ScheduleKind::Linear, grid, steps), sampler.scheme)
}

pub(super) fn cells(plan: &Plan) -> Vec<Cell> {
    let mut cells = Vec::new();
    for target in plan.gaussians() {
        for sampler in samplers() {
            for &budget in &plan.effort.budgets {
                cells.extend(SPACINGS.map(|grid| of(plan, target, &sampler, budget, grid)));
            }
        }
    }
    cells
}

pub(super) fn answer(plan: &Plan, results: &Results) -> Result<Option<ReportSection>> {
    let targets: Vec<&NamedTarget> = plan.gaussians().collect();
    let (samplers, budgets) = (samplers(), &plan.effort.budgets);
    if targets.is_empty() || budgets.is_empty() {
        return Ok(None);
    }
    let sampler_names = || samplers.iter().map(|sampler| sampler.name.to_owned()).collect::<Vec<_>>();
    let w2 = |grid: Grid, sampler: usize, budget: usize, target: usize| -> Result<f64> {
        let cell = of(plan, targets[target], &samplers[sampler], budgets[budget], grid);
        Ok(results.wasserstein(&cell)?.errors.from_normal)
    };
    // Each sampler with the spacing that suits it better at that budget.
    let best = Comparison::new(sampler_names(), budgets, names(&targets), |sampler, budget, target| {
        let [a, b] = SPACINGS.map(|grid| w2(grid, sampler, budget, target));
        Ok::<_, anyhow::Error>(Some(a?.min(b?)))
    })?;
    let mut by_spacing = Vec::new();
    for grid in SPACINGS {
        let comparison =
            Comparison::new(sampler_names(), budgets, names(&targets), |sampler, budget, target| {
                Ok::<_, anyhow::Error>(Some(w2(grid, sampler, budget, target)?))
            })?;
        by_spacing.push((grid, comparison));
    }
    let mut blocks = vec![Block::Table(best.table(
        format!(
            "Distance W2 from the samples to the data as a multiple of the best sampler’s at the same number of evaluations of the denoiser; exact, geometric \
             mean over the {} Gaussian targets, each sampler with the better of the spacings {} and {}. Linear schedule, ideal denoiser, started at N(0, I).",
            targets.len(),
            SPACINGS[0],
            SPACINGS[1]
        ),
        "sampler",
        "evaluations",
    ))];
    blocks.push(Block::Table(description(plan, results, &targets, &samplers)?));
    if let Some(target) = plan.target(TargetName::DigitsGaussian).or(targets.first().copied()) {
        let place = targets.iter().position(|other| other.name == target.name).unwrap_or(0);
        blocks.push(plot(&best, budgets, place, target));
    }
    for (grid, comparison) in &by_spacing {
        let caption = format!("With the spacing {grid} alone: multiples of the best sampler’s W2.");
        blocks.push(Block::Table(comparison.table(caption, "sampler", "evaluations")));
    }
    blocks.push(Block::Subheading("W2 by target".into()));
    for (k, target) in targets.iter().enumerate() {
        let caption = format!(
            "W2 on {}, exact, better spacing; the data’s spread is {:.3}.",
            target.name,
            target.spread()
        );
        blocks.push(Block::Table(best.table_of(k, caption, "sampler", "evaluations")));
    }
    Ok(Some(ReportSection {
        name: "sampler",
        question: "Which sampler?",
        verdict: format!("At equal cost take {}.", best.winners_in_words("evaluations")),
        detail: detail(&best, &by_spacing, budgets, &samplers) + &start_stays(plan, results)?,
        blocks,
        figures: json!({
            "best_spacing": best.figures(),
            "by_spacing": by_spacing.iter().map(|(grid, c)| json!({"spacing": grid, "w2": c.figures()})).collect::<Vec<_>>(),
        }),
    }))
}

fn detail(
    best: &Comparison,
    by_spacing: &[(Grid, Comparison)],
    budgets: &[usize],
    samplers: &[NamedSampler],
) -> String {
    let usual = samplers.iter().position(|sampler| sampler.name == "ddpm, fixed-large");
    let mut detail = String::new();
    if let (Some(usual), [first, .., last]) = (usual, budgets) {
        let factor = |column| best.times_best(usual, column).map_or("–".into(), times);
        detail.push_str(&format!(
            "Ancestral sampling with the large variance, Ho et al.’s choice, ends {} as far from the data as the best at {first} evaluations and {} at {last}.",
            factor(0),
            factor(budgets.len() - 1),
        ));
    }
    let words: Vec<String> = by_spacing
        .iter()
        .map(|(grid, comparison)| {
            format!("with the spacing {grid}, {}", comparison.winners_in_words("evaluations"))
        })
        .collect();
    detail.push_str(&format!(" If the spacing is given: {}.", join(&words)));
    detail
}

/// What infinitely many steps leave, with and without noise on the way.
fn start_stays(plan: &Plan, results: &Results) -> Result<String> {
    let Some(target) = plan.target(TargetName::DigitsGaussian).or(plan.gaussians().next()) else {
        return Ok(String::new());
    };
    let budget = plan.effort.budgets[plan.effort.budgets.len() - 1];
    let (mut with, mut without) = (None, None);
    for sampler in samplers() {
        let found = results.wasserstein(&of(plan, target, &sampler, budget, SPACINGS[1]))?;
        let left = Some(found.errors.continuous_from_normal);
        if found.draws_noise {
            with = with.or(left);
        } else {
            without = without.or(left);
        }
    }
    let short = |value: f64| number::typeset(&number::plain(value, 2));
    Ok(match with.zip(without) {
        Some((with, without)) => format!(
            " Noise on the way forgets the error of the start, equations without noise carry it along: with infinitely many steps W2 is {} and {} on {}.",
            short(with),
            short(without),
            target.name
        ),
        None => String::new(),
    })
}

/// What kind of sampler each is.
fn description(
    plan: &Plan,
    results: &Results,
    targets: &[&NamedTarget],
    samplers: &[NamedSampler],
) -> Result<Table> {
    let mut table = Table::new(
        "The samplers. Those that draw no noise on the way follow a differential equation; the order is the power of 1/N with which their error falls in theory.",
        ["sampler", "noise on the way", "evaluations a step", "order"],
    );
    for sampler in samplers {
        let cell = of(plan, targets[0], sampler, plan.effort.budgets[0], SPACINGS[0]);
        let noisy = results.wasserstein(&cell)?.draws_noise;
        table.push([
            TableCell::from(sampler.name),
            TableCell::from(if noisy { "yes" } else { "no" }),
            sampler.evaluations.into(),
            TableCell::from(u64::from(sampler.order)),
        ]);
    }
    Ok(table)
}

/// The curves of those samplers that are near the best somewhere; all of them would be unreadable.
fn plot(best: &Comparison, budgets: &[usize], target: usize, named: &NamedTarget) -> Block {
    let mut plot = Plot::new(
        format!("W2 by sampler, {}", named.name),
        Axis::log("evaluations of the denoiser"),
        Axis::log("W2 to the data"),
    );
    let shown = best.leaders(2, &["ddpm, fixed-large", "ddim"]);
    for (name, errors) in shown.iter().map(|&candidate| best.errors_of(candidate, target)) {
        let points = budgets.iter().zip(errors).filter_map(|(&budget, error)| Some((budget as f64, error?)));
        plot = plot.series(Series::line_and_points(name, points));
    }
    let caption = format!(
        "W2 on {}: the two best samplers of each budget, beside ancestral sampling and DDIM. Exact; lower is better.",
        named.name
    );
    Block::Plot(Box::new(plot), caption.into())
}
