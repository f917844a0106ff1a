//! What a training run did, as one self-contained HTML file.
//!
//! Everything comes in as plain data: the report reads no files and knows no trainer.

mod classical;
mod denoising;
mod facts;
mod headline;
mod loss;
mod paper;
mod pictures;

pub use facts::{DataFacts, RunFacts, Stage};
pub use loss::LossPoint;
pub use paper::{Measured, PaperComparison, PaperRow};
pub use pictures::{Picture, Pictures};

use crate::ReportError;
use crate::kit::{Page, Text};
use crate::results::ClassicalReport;
use crate::results::DenoisingError;
use std::path::Path;

/// A training run and what was measured on it. What is absent leaves its section out.
#[derive(Clone, Debug)]
pub struct TrainingReport {
    /// The run's name, such as `digits`.
    pub name: String,
    /// What was learnt from.
    pub data: DataFacts,
    /// What ran where, and for how long.
    pub run: RunFacts,
    /// Samples and trajectories.
    pub pictures: Pictures,
    /// The loss curve, in rising steps.
    pub loss: Vec<LossPoint>,
    /// The denoising error at each level.
    pub denoising: Option<DenoisingError>,
    /// The classical error terms.
    pub classical: Option<ClassicalReport>,
    /// The page of the error decomposition.
    pub decomposition: Option<DecompositionLink>,
    /// Published figures beside the measured ones.
    pub paper: Option<PaperComparison>,
    /// The resolved configuration.
    pub config_toml: String,
    /// The commands that lead to this report, one a line.
    pub commands: Vec<String>,
}

/// Where the decomposition of the network's error is told in full, and what it advises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecompositionLink {
    /// The page's address, relative to this one.
    pub address: String,
    /// What would help most, in sentences.
    pub advice: Vec<String>,
}

impl DecompositionLink {
    fn add_to(&self, page: &mut Page) {
        let section = page.section("Where the error comes from");
        for sentence in &self.advice {
            section.paragraph(sentence.as_str());
        }
        section.paragraph(
            Text::new("Initialization, discretization and training by noise level, what more steps would change, and what the network remembers: ")
                .link("the error decomposition", &self.address)
                .plain("."),
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
        if let Some(paper) = &self.paper {
            paper.add_to(&mut page);
        }
        facts::add_to(&mut page, self);
        if !self.run.versions.is_empty() {
            let versions: Vec<String> =
                self.run.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
            page.footer(Text::new(format!("{}.", versions.join(", "))));
        }
        Ok(page)
    }

    /// Writes the report to a file, which appears complete or not at all.
    pub fn write(&self, path: &Path) -> Result<(), ReportError> {
        Ok(self.page()?.write(path)?)
    }
}
