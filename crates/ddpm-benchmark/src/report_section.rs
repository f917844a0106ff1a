//! A section of the report: a question, the answer in a sentence computed from figures, and the tables and plots behind it.

use ddpm_report::kit::{Page, Plot, Table, Text};
use serde_json::Value;

/// A question with its answer.
#[derive(Debug)]
pub(crate) struct ReportSection {
    /// A short name for files.
    pub(crate) name: &'static str,
    /// The question, which is the heading.
    pub(crate) question: &'static str,
    /// The answer in a sentence.
    pub(crate) verdict: String,
    /// The sentences that qualify it.
    pub(crate) detail: String,
    /// The evidence, in order.
    pub(crate) blocks: Vec<Block>,
    /// The figures for `results.json`.
    pub(crate) figures: Value,
}

/// A part of a section.
#[derive(Debug)]
pub(crate) enum Block {
    /// A heading.
    Subheading(String),
    /// A paragraph.
    Paragraph(Text),
    /// A table.
    Table(Table),
    /// A plot with its caption.
    Plot(Box<Plot>, Text),
}

impl ReportSection {
    /// Adds the section to a page.
    pub(crate) fn add_to(self, page: &mut Page) {
        let section = page.section(self.question);
        section.paragraph(Text::default().strong(self.verdict).plain(" ").plain(self.detail));
        for block in self.blocks {
            match block {
                Block::Subheading(heading) => section.subheading(heading),
                Block::Paragraph(text) => section.paragraph(text),
                Block::Table(table) => section.table(table),
                Block::Plot(plot, caption) => section.plot(*plot, caption),
            };
        }
    }
}
