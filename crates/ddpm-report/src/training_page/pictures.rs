//! Samples, the reverse trajectory and the forward process.

use crate::ReportError;
use crate::kit::Page;
use crate::sections::Picture;

/// The pictures of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pictures {
    /// A grid of samples.
    pub samples: Option<Picture>,
    /// The same number of training images in the same layout.
    pub data: Option<Picture>,
    /// Samples at falling noise levels.
    pub reverse: Option<Picture>,
    /// Training images at rising noise levels.
    pub forward: Option<Picture>,
}

impl Pictures {
    pub(super) fn add_to(&self, page: &mut Page) -> Result<(), ReportError> {
        let grids = [(&self.samples, "A grid of samples"), (&self.data, "A grid of training images")];
        let processes = [
            (&self.forward, "Images at rising noise levels"),
            (&self.reverse, "Samples at falling noise levels"),
        ];
        for (heading, pictures) in [("Samples", grids), ("Forward and reverse process", processes)] {
            let mut shown = pictures.into_iter().filter_map(|(picture, alt)| Some((picture.as_ref()?, alt)));
            if let Some((first, alt)) = shown.next() {
                let section = page.section(heading);
                first.add_to(section, alt)?;
                shown.try_for_each(|(picture, alt)| picture.add_to(section, alt))?;
            }
        }
        Ok(())
    }
}
