//! The page of the nearest training images of samples.

use crate::ReportError;
use crate::kit::Page;
use crate::results::Neighbours;
use crate::sections::{Picture, training_neighbours};
use std::path::Path;

/// Samples with their nearest training images.
#[derive(Clone, Debug)]
pub struct NeighboursPage {
    /// The result.
    pub result: Neighbours,
    /// Rows of a sample and its neighbours: the samples that are nearest to a training image, the nearest first.
    pub nearest: Picture,
    /// The same of samples spread evenly over all of them.
    pub spread: Picture,
    /// The command that made the page.
    pub command: String,
    /// Programs and libraries with their versions.
    pub versions: Vec<(String, String)>,
}

impl NeighboursPage {
    /// The page.
    pub fn page(&self) -> Result<Page, ReportError> {
        let result = &self.result;
        let mut page = Page::new("Nearest training images");
        page.headline(training_neighbours::in_words(&result.summary));
        let section = page.section("Samples beside their nearest training images");
        section.paragraph(format!(
            "{}, compared with {} by {}. In each row the first picture is the sample; the others are its nearest training images, the nearest first. A \
             sample that is a copy of a training image looks like its neighbour in every pixel. A small distance alone is no proof of a copy: simple \
             images are near to many.",
            result.samples, result.data, result.extractor
        ));
        self.nearest.add_to(section, "rows of a sample and its nearest training images")?;
        self.spread.add_to(section, "rows of a sample and its nearest training images")?;
        let section = page.section("Made by");
        section.preformatted("command", &self.command);
        page.versions(&self.versions);
        Ok(page)
    }

    /// Writes `index.html` and `neighbours.json` into a folder.
    pub fn write(&self, folder: &Path) -> Result<(), ReportError> {
        let path = folder.join("neighbours.json");
        let json = serde_json::to_vec_pretty(&self.result)
            .map_err(|error| ReportError::format(&path, error.to_string()))?;
        ddpm_data::atomic::write_bytes(&path, &json)?;
        self.page()?.write(&folder.join("index.html"))
    }
}
