//! The error decomposition of a sampler as an HTML page, and its summary for a terminal.
//!
//! [`DecompositionReport`] is everything that the page shows; `report.json` beside the page is its serialization. `ddpm-eval` makes it for
//! closed-form targets, [`NetworkPage`] for trained networks. A section appears where there is something to show.

mod bounds;
mod decomposition_report;
mod divergences;
mod facts;
mod levels;
mod memorization;
mod network_page;
mod own_path;
mod sample_cloud;
mod sample_split;
mod samples_section;
mod step_errors;
mod summary;
mod sweep_section;
mod terms;
mod wasserstein;

pub use decomposition_report::DecompositionReport;
pub use divergences::{
    Comparison, InitializationAt, Known, compared_schedules, slopes, theory_of_densities, theory_of_points,
};
pub use network_page::NetworkPage;
pub use sample_cloud::SampleCloud;
pub use summary::summary;

use crate::ReportError;
use crate::kit::Page;
use ddpm_data::atomic;
use std::path::Path;

/// File name of the page in its folder.
pub const PAGE: &str = "index.html";
/// File name of the data beside it.
pub const DATA: &str = "report.json";

impl DecompositionReport {
    /// The report as a page.
    pub fn page(&self) -> Result<Page, ReportError> {
        let result = &self.result;
        let mut page = Page::new(format!("Error decomposition: {}", self.name));
        for sentence in &self.advice {
            page.headline(sentence);
        }
        if let Some(split) = &result.sample_split {
            page.headline(sample_split::headline(split));
        }
        if let Some(note) = result.variance_note() {
            page.headline(note);
        }
        terms::add_to(&mut page, result);
        sample_split::add_to(&mut page, result.sample_split.as_deref());
        step_errors::add_to(&mut page, result.step_errors.as_deref());
        own_path::add_to(&mut page, result.own_path.as_deref());
        levels::add_to(&mut page, result);
        memorization::add_to(&mut page, result);
        bounds::add_to(&mut page, result);
        sweep_section::add_to(&mut page, self);
        wasserstein::add_to(&mut page, self.ablation.as_ref());
        samples_section::add_to(&mut page, self)?;
        facts::add_to(&mut page, self, DATA);
        page.versions(&self.versions);
        Ok(page)
    }

    /// Writes `report.json` and `index.html` to a folder, which is created where it is missing. Each file appears complete or not at all; the
    /// page comes last.
    pub fn write(&self, folder: &Path) -> Result<(), ReportError> {
        // The page is made first: a page that cannot be made leaves no data behind.
        let page = self.page()?.to_html()?;
        let data = serde_json::to_vec(self)
            .map_err(|error| ReportError::format(&folder.join(DATA), error.to_string()))?;
        atomic::write_bytes(folder.join(DATA), &data)?;
        atomic::write_bytes(folder.join(PAGE), page.as_bytes())?;
        Ok(())
    }
}

/// Checks, before hours of work, that a report can be written to a folder that may not exist yet.
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
