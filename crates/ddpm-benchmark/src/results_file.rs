//! `results.json`: every figure of the sweep, without times and folders. The same plan gives the same bytes.

use crate::cell::Cell;
use crate::closed_form_target::NamedTarget;
use crate::datasets::NotRun;
use crate::outcome::Outcome;
use crate::plan::{Mode, Plan};
use crate::report_section::ReportSection;
use crate::sweep::Results;
use anyhow::{Context, Result};
use ddpm_data::atomic;
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;

/// Version of the format: raised when a field changes its name or meaning. Version 2 names the levels of a cell as configuration files do, and
/// compares the divergences of schedules down to one common noise level.
const FORMAT: u32 = 2;

/// A cell with its result in one object.
#[derive(Serialize)]
struct FinishedCell<'a> {
    #[serde(flatten)]
    cell: &'a Cell,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

fn target(target: &NamedTarget) -> Value {
    json!({
        "name": target.name,
        "summary": target.name.summary(),
        "dim": target.law.dim(),
        "exact": target.is_exact(),
        "sha256": target.digest,
    })
}

fn answer(section: &ReportSection) -> Value {
    json!({
        "name": section.name,
        "question": section.question,
        "verdict": section.verdict,
        "detail": section.detail,
        "figures": section.figures,
    })
}

/// Writes the file.
pub(crate) fn write(
    path: &Path,
    mode: Mode,
    plan: &Plan,
    results: &Results,
    sections: &[ReportSection],
    not_run: &[NotRun],
) -> Result<()> {
    let cells: Vec<_> = results.cells.iter().map(|(cell, outcome)| FinishedCell { cell, outcome }).collect();
    let file = json!({
        "format": FORMAT,
        "mode": mode,
        "seed": plan.effort.seed,
        "targets": plan.targets.iter().map(target).collect::<Vec<_>>(),
        "answers": sections.iter().map(answer).collect::<Vec<_>>(),
        "not_run": not_run,
        "cells": cells,
    });
    let mut text = serde_json::to_vec_pretty(&file)?;
    text.push(b'\n');
    atomic::write_bytes(path, &text).with_context(|| path.display().to_string())
}
