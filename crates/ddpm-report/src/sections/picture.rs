//! A picture file with its caption.

use crate::ReportError;
use crate::kit::{Image, Section};

/// A picture and what it shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// A PNG or GIF file.
    pub encoded: Vec<u8>,
    /// Pixels of the page for one pixel of the picture.
    pub scale: u32,
    /// What it shows and how it was made: a sentence or two.
    pub caption: String,
}

impl Picture {
    /// Adds the picture as a figure; `alt` is read to people who cannot see it.
    pub(crate) fn add_to(&self, section: &mut Section, alt: &str) -> Result<(), ReportError> {
        let image = Image::from_encoded(self.encoded.clone(), alt)?.scaled(self.scale);
        section.images([image], &self.caption);
        Ok(())
    }
}
