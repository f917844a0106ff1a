//! Where a sampler's error comes from, as one self-contained HTML page and the data behind it.
//!
//! [`DecompositionReport`] is everything that the page shows, as plain data: `report.json` is its serialization, so that others can plot it
//! themselves. `ddpm-eval` works it out for closed-form targets, [`NetworkPage`]
//! for trained networks. Sections appear where there is something to show.

mod bounds;
mod divergences;
mod facts;
mod levels;
mod memorization;
mod network;
mod pictures;
mod sweep;
mod terms;
mod wasserstein;

pub use divergences::{Comparison, Known, other_schedules, slopes, theory_of_densities, theory_of_points};
pub use network::NetworkPage;
pub use pictures::SampleCloud;
pub use sweep::{Measure, Slope, Sweep, SweepCurve, SweepPoint};

use crate::ReportError;
use crate::kit::{Page, Text};
use crate::results::DecomposeReport;
use crate::training_page::Picture;
use ddpm_core::Scheme;
use ddpm_core::decomposition::W2Ablation;
use ddpm_data::atomic;
use serde::Serialize;
use std::path::Path;

/// The result and what it is compared with.
#[derive(Clone, Debug, Serialize)]
pub struct DecompositionReport {
    /// What is decomposed: the target's file or the checkpoint, as it was named.
    pub name: String,
    /// The three sentences that say what would help.
    pub advice: Vec<String>,
    /// The result itself, as `ddpm decompose --json` writes it.
    pub result: DecomposeReport,
    /// The grid that placed the visited levels.
    pub grid: String,
    /// Levels of the schedule.
    pub train_steps: Option<usize>,
    /// A constant added to the ideal denoiser's answers.
    pub perturbation: f64,
    /// The sampler of the distances.
    pub sampler: Option<Scheme>,
    /// How errors change with the number of steps.
    pub sweeps: Vec<Sweep>,
    /// Measured slopes beside the theoretical ones.
    pub slopes: Vec<Slope>,
    /// W2 with one source of error switched on at a time.
    pub ablation: Option<W2Ablation>,
    /// Samples beside exact ones.
    pub samples: Option<SampleCloud>,
    /// Pictures that the caller has: sample grids, denoised examples.
    #[serde(skip)]
    pub pictures: Vec<Picture>,
    /// The command that makes this page.
    pub command: String,
    /// Programs and libraries with their versions.
    pub versions: Vec<(String, String)>,
}

/// The page's name in its folder.
pub const PAGE: &str = "index.html";
/// The name of the data beside it.
pub const DATA: &str = "report.json";

impl DecompositionReport {
    /// The report as a page.
    pub fn page(&self) -> Result<Page, ReportError> {
        let mut page = Page::new(format!("Where the error comes from: {}", self.name));
        for sentence in &self.advice {
            page.headline(Text::new(sentence));
        }
        if let Some(note) = self.result.variance_note() {
            page.headline(Text::new(note));
        }
        terms::add_to(&mut page, self);
        levels::add_to(&mut page, self);
        memorization::add_to(&mut page, self);
        bounds::add_to(&mut page, self);
        sweep::add_to(&mut page, self);
        wasserstein::add_to(&mut page, self);
        pictures::add_to(&mut page, self)?;
        facts::add_to(&mut page, self);
        if !self.versions.is_empty() {
            let versions: Vec<String> =
                self.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
            page.footer(Text::new(format!("{}.", versions.join(", "))));
        }
        Ok(page)
    }

    /// Writes `report.json` and `index.html` to a folder, which is made where it is missing. Each file appears complete or not at all; the
    /// page, which is what people open, comes last.
    pub fn write(&self, folder: &Path) -> Result<(), ReportError> {
        // Made first: a page that cannot be made leaves no data behind.
        let page = self.page()?.to_html()?;
        let data = serde_json::to_vec(self)
            .map_err(|error| ReportError::format(&folder.join(DATA), error.to_string()))?;
        atomic::write_bytes(folder.join(DATA), &data)?;
        atomic::write_bytes(folder.join(PAGE), page.as_bytes())?;
        Ok(())
    }
}

/// Whether a report can be written to a folder that may not exist yet: asked before hours of work.
pub fn check_folder(folder: &Path) -> Result<(), ReportError> {
    let existing = folder.ancestors().find(|path| path.as_os_str().is_empty() || path.exists());
    let existing = match existing {
        Some(path) if !path.as_os_str().is_empty() => path,
        _ => Path::new("."),
    };
    if !existing.is_dir() {
        return Err(ReportError::format(existing, "expected a folder for the report, got a file"));
    }
    tempfile::tempfile_in(existing)
        .map(drop)
        .map_err(|error| ReportError::format(existing, format!("the report cannot be written here: {error}")))
}
