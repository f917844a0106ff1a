//! Which sampler comes closest to the data at the same number of evaluations of the denoiser?

use super::words::{short, shown, tables_by_target, times_best};
use crate::cell::Cell;
use crate::closed_form_target::NamedTarget;
use crate::comparison::{Comparison, ComparisonPlan};
use crate::plan::{NamedSampler, Plan, samplers, thinned, wasserstein};
use crate::report_section::{Block, ReportSection};
use crate::sweep::Results;
use anyhow::Result;
use ddpm_core::{Grid, ScheduleKind};
use ddpm_report::kit::{Cell as TableCell, Table, listed};
use serde_json::json;

/// The grids that samplers are run with: the usual one, and one that suits solvers of differential equations.
const GRIDS: [Grid; 2] = [Grid::Trailing, Grid::LogSnr];

/// A sampler at a number of evaluations: as many steps as that pays for, at least two.
fn cell(target: &NamedTarget, sampler: &NamedSampler, evaluations: usize, grid: Grid) -> Cell {
    let steps = (evaluations / sampler.evaluations).max(2);
    wasserstein(target, thinned(ScheduleKind::Linear, grid, steps), sampler.scheme)
}

/// The samplers, each with the best of some grids at every number of evaluations.
fn comparison<'a>(plan: &'a Plan, grids: &'a [Grid]) -> ComparisonPlan<'a> {
    let samplers = samplers();
    ComparisonPlan {
        kind: "sampler",
        unit: "evaluations",
        candidates: samplers.iter().map(|sampler| sampler.name.to_owned()).collect(),
        columns: plan.effort.budgets.clone(),
        targets: plan.gaussians(),
        cells: Box::new(move |sampler, evaluations, target| {
            grids.iter().map(|&grid| cell(target, &samplers[sampler], evaluations, grid)).collect()
        }),
        error: |outcome| outcome.w2_to_data(),
    }
}

pub(super) fn cells(plan: &Plan) -> Vec<Cell> {
    comparison(plan, &GRIDS).cells()
}

pub(super) fn section(plan: &Plan, results: &Results) -> Result<Option<ReportSection>> {
    let targets = plan.gaussians();
    let Some(plotted) = shown(&targets) else { return Ok(None) };
    let best = comparison(plan, &GRIDS).compare(results)?;
    let by_grid = GRIDS
        .iter()
        .map(|grid| Ok((*grid, comparison(plan, std::slice::from_ref(grid)).compare(results)?)))
        .collect::<Result<Vec<_>>>()?;
    let mut blocks = vec![
        Block::Table(best.table(format!(
            "Distance W2 from the samples to the data as a multiple of the best sampler’s at the same number of evaluations of the denoiser; exact, geometric mean over the {} \
             Gaussian targets, each sampler with the better of the grids {} and {}. Linear schedule, ideal denoiser, started at N(0, I).",
            targets.len(),
            GRIDS[0],
            GRIDS[1]
        ))),
        Block::Table(description(plan, results, targets[0])?),
    ];
    let plot =
        best.plot(plotted, &["ddpm (fixed-large)", "ddim"], "evaluations of the denoiser", "W2 to the data");
    let caption = format!(
        "W2 on {}: the best samplers beside ancestral sampling and DDIM. Exact; lower is better.",
        targets[plotted].name
    );
    blocks.push(Block::Plot(Box::new(plot), caption.into()));
    for (grid, comparison) in &by_grid {
        blocks.push(Block::Table(
            comparison.table(format!("With the grid {grid} alone: multiples of the best sampler’s W2.")),
        ));
    }
    blocks.extend(tables_by_target("W2 by target", &best, &targets, |target| {
        format!("W2 on {}, exact, better grid; the data’s spread is {:.3}.", target.name, target.spread())
    }));
    Ok(Some(ReportSection {
        name: "sampler",
        question: "Which sampler?",
        verdict: format!("At equal cost take {}.", best.winners_in_words()),
        detail: detail(&best, &by_grid) + &left_by_the_start(plan, results, targets[plotted])?,
        blocks,
        figures: json!({
            "best_spacing": best.figures(),
            "by_spacing": by_grid.iter().map(|(grid, c)| json!({"spacing": grid, "w2": c.figures()})).collect::<Vec<_>>(),
        }),
    }))
}

fn detail(best: &Comparison, by_grid: &[(Grid, Comparison)]) -> String {
    let usual = samplers().iter().position(|sampler| sampler.name == "ddpm (fixed-large)");
    let mut detail = String::new();
    if let (Some(usual), [first, .., last]) = (usual, best.columns()) {
        detail.push_str(&format!(
            "Ancestral sampling with the large variance, the choice of Ho et al., ends {} as far from the data as the best at {first} evaluations and {} at {last}.",
            times_best(best, usual, 0),
            times_best(best, usual, best.columns().len() - 1),
        ));
    }
    let words: Vec<String> = by_grid
        .iter()
        .map(|(grid, comparison)| format!("with the grid {grid}, {}", comparison.winners_in_words()))
        .collect();
    detail.push_str(&format!(" If the grid is given: {}.", listed(&words)));
    detail
}

/// The error of the start that infinitely many steps leave, with and without noise in the steps.
fn left_by_the_start(plan: &Plan, results: &Results, target: &NamedTarget) -> Result<String> {
    let evaluations = plan.effort.budgets[plan.effort.budgets.len() - 1];
    let (mut with, mut without) = (None, None);
    for sampler in samplers() {
        let distances = results.get(&cell(target, &sampler, evaluations, GRIDS[1]))?.w2()?;
        let left = Some(distances.errors.continuous_from_normal);
        if distances.draws_noise {
            with = with.or(left);
        } else {
            without = without.or(left);
        }
    }
    Ok(match with.zip(without) {
        Some((with, without)) => format!(
            " The error of starting at N(0, I) is damped by samplers that draw noise in their steps and kept by the others: with infinitely many steps W2 on {} is {} and {}.",
            target.name,
            short(with, 2),
            short(without, 2),
        ),
        None => String::new(),
    })
}

/// Noise, cost and order of each sampler.
fn description(plan: &Plan, results: &Results, target: &NamedTarget) -> Result<Table> {
    let mut table = Table::new(
        "The samplers. Those that draw no noise in their steps solve a differential equation. The order is the power of 1/N with which their error falls in theory.",
        ["sampler", "draws noise", "evaluations a step", "order"],
    );
    for sampler in samplers() {
        let noisy = results.get(&cell(target, &sampler, plan.effort.budgets[0], GRIDS[0]))?.w2()?.draws_noise;
        table.push([
            TableCell::from(sampler.name),
            TableCell::from(if noisy { "yes" } else { "no" }),
            sampler.evaluations.into(),
            TableCell::from(u64::from(sampler.order)),
        ]);
    }
    Ok(table)
}
