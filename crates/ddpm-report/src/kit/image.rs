//! Pictures inside the page.

use std::io::Cursor;

use base64::{Engine, prelude::BASE64_STANDARD};
use image::{ImageFormat, ImageReader};
use maud::{Markup, html};

use crate::ReportError;

/// A PNG or GIF picture, shown with square pixels, or an SVG drawing.
#[derive(Clone, PartialEq)]
pub struct Image {
    alt: String,
    media_type: &'static str,
    width: u32,
    height: u32,
    scale: u32,
    bytes: Vec<u8>,
}

impl Image {
    /// A picture from the bytes of a PNG or GIF file; `alt` says what it shows to those who cannot see it.
    pub fn from_encoded(bytes: impl Into<Vec<u8>>, alt: impl Into<String>) -> Result<Self, ReportError> {
        let (bytes, alt) = (bytes.into(), alt.into());
        let error = |got: String| ReportError::Image { alt: alt.clone(), got };
        let reader =
            ImageReader::new(Cursor::new(&bytes)).with_guessed_format().map_err(|e| error(e.to_string()))?;
        let media_type = match reader.format() {
            Some(ImageFormat::Png) => "image/png",
            Some(ImageFormat::Gif) => "image/gif",
            Some(other) => return Err(error(format!("{other:?}"))),
            None => return Err(error(format!("{} bytes of another kind", bytes.len()))),
        };
        let (width, height) = reader.into_dimensions().map_err(|e| error(e.to_string()))?;
        Ok(Self { alt, media_type, width, height, scale: 1, bytes })
    }

    /// A drawing that stands by itself, of a size in pixels.
    pub fn from_svg(svg: String, width: u32, height: u32, alt: impl Into<String>) -> Self {
        let media_type = "image/svg+xml";
        Self { alt: alt.into(), media_type, width, height, scale: 1, bytes: svg.into_bytes() }
    }

    /// Shows each pixel as a square of this many.
    #[must_use]
    pub fn scaled(mut self, scale: u32) -> Self {
        self.scale = scale.max(1);
        self
    }

    pub(super) fn render(&self) -> Markup {
        let (width, height) = (self.width.saturating_mul(self.scale), self.height.saturating_mul(self.scale));
        let data = BASE64_STANDARD.encode(&self.bytes);
        html! {
            img src={ "data:" (self.media_type) ";base64," (data) } alt=(self.alt) width=(width) height=(height);
        }
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image")
            .field("alt", &self.alt)
            .field("media_type", &self.media_type)
            .field("size", &(self.width, self.height))
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_read_from_the_file() {
        let mut png = Vec::new();
        ::image::DynamicImage::new_luma8(3, 2)
            .write_to(&mut Cursor::new(&mut png), ImageFormat::Png)
            .unwrap();
        let html = Image::from_encoded(png, "\"grid\"").unwrap().scaled(4).render().into_string();
        assert!(html.contains("src=\"data:image/png;base64,iVBORw0KGgo"), "{html}");
        assert!(html.contains("alt=\"&quot;grid&quot;\" width=\"12\" height=\"8\""), "{html}");
    }

    #[test]
    fn other_bytes_are_refused_by_name() {
        let error = Image::from_encoded(*b"not a picture", "samples").unwrap_err().to_string();
        assert!(error.contains("“samples”") && error.contains("expected a PNG or GIF"), "{error}");
        assert!(Image::from_encoded(*b"\x89PNG\r\n\x1a\n cut", "samples").is_err());
    }
}
