//! The questions of the report: the cells that each needs, and its section from their results.

pub(crate) mod network_training_error;
mod scaling_exponents;
mod scaling_laws;
mod which_sampler;
mod which_schedule;
mod which_variance;
mod words;

use crate::cell::Cell;
use crate::plan::Plan;
use crate::report_section::ReportSection;
use crate::sweep::Results;
use anyhow::Result;

/// A question about closed-form targets. The one about networks is [`network_training_error`].
pub(crate) struct Question {
    /// The cells that it needs.
    cells: fn(&Plan) -> Vec<Cell>,
    /// The section; none where the run has no target for the question.
    pub(crate) section: fn(&Plan, &Results) -> Result<Option<ReportSection>>,
}

/// All questions, in the order of the report.
pub(crate) const QUESTIONS: [Question; 4] = [
    Question { cells: which_schedule::cells, section: which_schedule::section },
    Question { cells: which_variance::cells, section: which_variance::section },
    Question { cells: which_sampler::cells, section: which_sampler::section },
    Question { cells: scaling_exponents::cells, section: scaling_exponents::section },
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
