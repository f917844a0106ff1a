//! `results.json`: every figure of the sweep, without times and folders. The same plan gives the same bytes.

use crate::cell::Cell;
use crate::closed_form_target::TargetName;
use crate::datasets::NotRun;
use crate::outcome::Outcome;
use crate::plan::Mode;
use crate::plan::Plan;
use crate::report_section::ReportSection;
use crate::sweep::Results;
use anyhow::{Context, Result};
use ddpm_data::atomic;
use serde::Serialize;
use serde_json::Value;
use std::path::Path;

/// Version of the format: raised when a field changes its name or meaning. Version 2 names the levels of a cell as configuration files do, and
/// compares the divergences of schedules down to one common noise level.
const FORMAT: u32 = 2;

#[derive(Serialize)]
struct File<'a> {
    format: u32,
    mode: Mode,
    seed: u64,
    targets: Vec<Target<'a>>,
    answers: Vec<Found<'a>>,
    not_run: &'a [NotRun],
    cells: Vec<Finished<'a>>,
}

#[derive(Serialize)]
struct Target<'a> {
    name: TargetName,
    summary: &'a str,
    dim: usize,
    exact: bool,
    sha256: &'a str,
}

#[derive(Serialize)]
struct Found<'a> {
    name: &'a str,
    question: &'a str,
    verdict: &'a str,
    detail: &'a str,
    figures: &'a Value,
}

#[derive(Serialize)]
struct Finished<'a> {
    #[serde(flatten)]
    cell: &'a Cell,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

/// Writes the file.
pub(crate) fn write(
    path: &Path,
    mode: Mode,
    plan: &Plan,
    results: &Results,
    answers: &[ReportSection],
    not_run: &[NotRun],
) -> Result<()> {
    let targets = plan
        .targets
        .iter()
        .map(|target| Target {
            name: target.name,
            summary: target.name.summary(),
            dim: target.law.dim(),
            exact: target.is_exact(),
            sha256: &target.digest,
        })
        .collect();
    let answers = answers
        .iter()
        .map(|answer| Found {
            name: answer.name,
            question: answer.question,
            verdict: &answer.verdict,
            detail: &answer.detail,
            figures: &answer.figures,
        })
        .collect();
    let cells = results.cells.iter().map(|(cell, outcome)| Finished { cell, outcome }).collect();
    let file = File { format: FORMAT, mode, seed: plan.effort.seed, targets, answers, not_run, cells };
    let mut text = serde_json::to_vec_pretty(&file)?;
    text.push(b'\n');
    atomic::write_bytes(path, &text).with_context(|| path.display().to_string())
}
