//! The questions: which cells each needs, and how it is answered from their outcomes.

mod sampler;
mod scaling;
mod schedule;
pub(crate) mod training;
mod variance;

use super::answer::Answer;
use super::cell::Cell;
use super::outcome::{Divergence, Outcome, Placed, Wasserstein};
use super::plan::Plan;
use super::sweep::Results;
use super::target::NamedTarget;
use anyhow::{Result, bail};

/// A question about closed-form targets. The one about networks is [`training`]'s.
pub(crate) struct Question {
    /// The cells that it needs.
    pub(crate) cells: fn(&Plan) -> Vec<Cell>,
    /// The answer from their outcomes; none where no target of the plan can be asked.
    pub(crate) answer: fn(&Plan, &Results) -> Result<Option<Answer>>,
}

/// All questions, in the order of the report.
pub(crate) const QUESTIONS: [Question; 4] = [
    Question { cells: schedule::cells, answer: schedule::answer },
    Question { cells: variance::cells, answer: variance::answer },
    Question { cells: sampler::cells, answer: sampler::answer },
    Question { cells: scaling::cells, answer: scaling::answer },
];

/// All cells of a plan, each once, in a fixed order.
pub(crate) fn cells(plan: &Plan) -> Result<Vec<Cell>> {
    let mut seen = std::collections::HashSet::new();
    let mut cells = Vec::new();
    for cell in QUESTIONS.iter().flat_map(|question| (question.cells)(plan)) {
        if seen.insert(serde_json::to_string(&cell)?) {
            cells.push(cell);
        }
    }
    Ok(cells)
}

impl Results {
    fn divergence(&self, cell: &Cell) -> Result<Divergence> {
        match self.get(cell)? {
            Outcome::Divergence(outcome) => Ok(*outcome),
            other => bail!("expected the terms of a divergence, got {other:?}"),
        }
    }

    fn wasserstein(&self, cell: &Cell) -> Result<Wasserstein> {
        match self.get(cell)? {
            Outcome::Wasserstein(outcome) => Ok(*outcome),
            other => bail!("expected W2 errors, got {other:?}"),
        }
    }

    fn placement(&self, cell: &Cell) -> Result<Placed> {
        match self.get(cell)? {
            Outcome::Placement(outcome) => Ok(outcome.clone()),
            other => bail!("expected a placement, got {other:?}"),
        }
    }
}

/// The names of targets.
fn names(targets: &[&NamedTarget]) -> Vec<String> {
    targets.iter().map(|target| target.name.to_string()).collect()
}

/// Whether a target's divergences are exact.
fn kind_of(plan: &Plan, target: &NamedTarget) -> String {
    if target.is_exact() {
        return "exact".to_owned();
    }
    format!("estimated from {} noising paths", plan.effort.paths)
}

/// `1.53 times`, `12 times`.
fn times(factor: f64) -> String {
    let digits = if factor < 10.0 { 2 } else { 3 };
    format!("{} times", ddpm_eval::report::number::typeset(&ddpm_eval::report::number::plain(factor, digits)))
}
