//! The page of a training run as one self-contained HTML file.
//!
//! Everything comes in as plain data: the page reads no files and depends on no trainer.

mod classical;
mod denoising;
mod facts;
mod headline;
mod loss;
mod paper;
mod pictures;
mod quality;
mod training_report;

pub use facts::{DataFacts, RunFacts, Stage};
pub use loss::LossPoint;
pub use paper::{Measured, PaperComparison, PaperRow};
pub use pictures::Pictures;
pub use training_report::{DecompositionLink, TrainingReport};

use crate::ReportError;
use crate::kit::{Page, Text};
use std::path::Path;

impl DecompositionLink {
    fn add_to(&self, page: &mut Page) {
        let section = page.section("Error decomposition");
        for sentence in &self.advice {
            section.paragraph(sentence.as_str());
        }
        section.paragraph(
            Text::new("The terms by noise level, the effect of more steps and of other settings, and memorization: ")
                .link("the page of the error decomposition", &self.address)
                .plain(". It is the file ")
                .code(&self.address)
                .plain(" in this folder; a copy of this page alone does not have it."),
        );
    }
}

impl TrainingReport {
    /// The report as a page.
    pub fn page(&self) -> Result<Page, ReportError> {
        let mut page = Page::new(format!("Training run {}", self.name));
        for sentence in headline::sentences(self) {
            page.headline(sentence);
        }
        self.pictures.add_to(&mut page)?;
        loss::add_to(&mut page, &self.loss, self.run.batch_size);
        if let Some(denoising) = &self.denoising {
            denoising::add_to(&mut page, denoising, self.classical.as_ref());
        }
        if let Some(classical) = &self.classical {
            classical::add_to(&mut page, classical, self.denoising.as_ref());
        }
        if let Some(decomposition) = &self.decomposition {
            decomposition.add_to(&mut page);
        }
        if let Some(quality) = &self.quality {
            quality::add_to(&mut page, quality, &self.neighbours);
        }
        if let Some(paper) = &self.paper {
            paper.add_to(&mut page);
        }
        facts::add_to(&mut page, &self.data, &self.run, &self.config_toml, &self.commands);
        page.versions(&self.run.versions);
        Ok(page)
    }

    /// Writes the report to a file, which appears complete or not at all.
    pub fn write(&self, path: &Path) -> Result<(), ReportError> {
        self.page()?.write(path)
    }
}
