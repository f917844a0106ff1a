//! The questions: which cells each needs, and how it is answered from their outcomes.

pub(crate) mod network_training_error;
mod scaling_exponents;
mod which_sampler;
mod which_schedule;
mod which_variance;
mod words;

use crate::cell::Cell;
use crate::plan::Plan;
use crate::report_section::ReportSection;
use crate::sweep::Results;
use anyhow::Result;

/// A question about closed-form targets. The one about networks is [`network_training_error`]'s.
pub(crate) struct Question {
    /// The cells that it needs.
    pub(crate) cells: fn(&Plan) -> Vec<Cell>,
    /// The answer from their outcomes; none where no target of the plan can be asked.
    pub(crate) answer: fn(&Plan, &Results) -> Result<Option<ReportSection>>,
}

/// All questions, in the order of the report.
pub(crate) const QUESTIONS: [Question; 4] = [
    Question { cells: which_schedule::cells, answer: which_schedule::answer },
    Question { cells: which_variance::cells, answer: which_variance::answer },
    Question { cells: which_sampler::cells, answer: which_sampler::answer },
    Question { cells: scaling_exponents::cells, answer: scaling_exponents::answer },
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
