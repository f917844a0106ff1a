//! Samples, the reverse trajectory and the forward process.

use crate::ReportError;
use crate::kit::{Image, Page, Text};

/// A picture and what it shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// A PNG or GIF file.
    pub encoded: Vec<u8>,
    /// How many pixels of the page one of the picture takes.
    pub scale: u32,
    /// What it shows and how it came about: a sentence or two.
    pub caption: String,
}

/// The pictures of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pictures {
    /// A grid of samples.
    pub samples: Option<Picture>,
    /// The same number of training images, drawn likewise, to compare with.
    pub data: Option<Picture>,
    /// Samples on their way from noise.
    pub reverse: Option<Picture>,
    /// Images on their way to noise.
    pub forward: Option<Picture>,
}

impl Pictures {
    pub(super) fn add_to(&self, page: &mut Page) -> Result<(), ReportError> {
        let shown = |picture: &Picture, alt: &str| {
            Image::from_encoded(picture.encoded.clone(), alt).map(|image| image.scaled(picture.scale))
        };
        if self.samples.is_some() || self.data.is_some() {
            let section = page.section("Samples");
            for (picture, alt) in
                [(&self.samples, "A grid of samples"), (&self.data, "A grid of training images")]
            {
                if let Some(picture) = picture {
                    section.images([shown(picture, alt)?], Text::new(&picture.caption));
                }
            }
        }
        if self.reverse.is_some() || self.forward.is_some() {
            let section = page.section("From noise to image and back");
            for (picture, alt) in [
                (&self.forward, "Images at rising noise levels"),
                (&self.reverse, "Samples at falling noise levels"),
            ] {
                if let Some(picture) = picture {
                    section.images([shown(picture, alt)?], Text::new(&picture.caption));
                }
            }
        }
        Ok(())
    }
}
