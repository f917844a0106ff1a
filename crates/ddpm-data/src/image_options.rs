//! How the images of files become images of one shape: size, resizing, channels, and what happens to a file that cannot be read.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{DataError, Result};

/// Largest height and width to which images are resized.
const MAX_SIDE: usize = 16_384;

/// Options of a data set of image files. The default changes no image and refuses a set whose images differ in size or kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImageOptions {
    /// Height and width of the images; those of the first image where none is given.
    pub size: Option<ImageSize>,
    /// How an image of another size is brought to `size`.
    pub resize: Resize,
    /// 1 for grey, 3 for RGB: images of the other kind are converted. Without it all images must be of one kind.
    pub channels: Option<usize>,
    /// What happens to an image that cannot be read.
    pub on_error: OnError,
}

/// Height and width of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a whole number, or [height, width]")]
pub enum ImageSize {
    /// Height and width are equal.
    Square(usize),
    /// Height, then width.
    Rectangle([usize; 2]),
}

/// How an image of another size is brought to the size of the data set. The filter is Lanczos with a radius of 3 pixels (as in
/// Pillow's `LANCZOS`, widened where an image shrinks), on 8-bit values.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, strum::Display, strum::EnumString,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Resize {
    /// It is refused.
    #[default]
    None,
    /// Its largest centred part with the proportions of the data set is resized.
    CoverCrop,
    /// The whole image is resized as large as fits, and centred on black.
    FitPad,
}

/// What happens to an image that cannot be read.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, strum::Display, strum::EnumString,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum OnError {
    /// The data set is refused.
    #[default]
    Stop,
    /// The image is left out; all that are left out are counted.
    Skip,
}

impl ImageSize {
    /// [height, width].
    pub const fn height_width(self) -> [usize; 2] {
        match self {
            Self::Square(side) => [side, side],
            Self::Rectangle(sides) => sides,
        }
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [height, width] = self.height_width();
        write!(f, "[{height}, {width}]")
    }
}

impl FromStr for ImageSize {
    type Err = String;

    /// Reads `64` or `48x64`, height first.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let side = |text: &str| {
            text.trim()
                .parse::<usize>()
                .map_err(|_| format!("expected 64 or 48x64 (height x width), got `{text}`"))
        };
        match text.split_once('x') {
            None => Ok(Self::Square(side(text)?)),
            Some((height, width)) => Ok(Self::Rectangle([side(height)?, side(width)?])),
        }
    }
}

impl ImageOptions {
    /// Checks the values, and that each has an effect.
    pub fn validate(&self) -> Result<()> {
        if let Some(size) = self.size
            && !size.height_width().iter().all(|side| (1..=MAX_SIDE).contains(side))
        {
            return Err(DataError::mismatch("data.image_size", format!("sides from 1 to {MAX_SIDE}"), size));
        }
        if self.resize != Resize::None && self.size.is_none() {
            let expected = "data.image_size beside it, the size to which images are resized";
            return Err(DataError::mismatch("data.resize", expected, "none"));
        }
        match self.channels {
            None | Some(1 | 3) => Ok(()),
            Some(other) => Err(DataError::mismatch("data.channels", "1 (grey) or 3 (RGB)", other)),
        }
    }

    /// Whether images of 16 bits a channel and transparent ones are converted: where size or channels are.
    pub(crate) fn converts(&self) -> bool {
        self.resize != Resize::None || self.channels.is_some()
    }

    /// What changes the pixels, as one text, for comparing two runs.
    pub(crate) fn transform(&self) -> String {
        let size = self.size.map_or_else(|| "of the files".to_string(), |size| size.to_string());
        let channels =
            self.channels.map_or_else(|| "of the files".to_string(), |channels| channels.to_string());
        format!("image_size {size}, resize {}, channels {channels}", self.resize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_each_option_is_checked() {
        assert_eq!("64".parse(), Ok(ImageSize::Square(64)));
        assert_eq!("48x64".parse(), Ok(ImageSize::Rectangle([48, 64])));
        assert!("64x".parse::<ImageSize>().is_err());
        let size = |size| ImageOptions { size: Some(size), ..ImageOptions::default() };
        let refused = |options: ImageOptions| options.validate().unwrap_err().to_string();
        size(ImageSize::Square(64)).validate().unwrap();
        assert!(refused(size(ImageSize::Rectangle([0, 3]))).contains("data.image_size"));
        assert!(refused(size(ImageSize::Square(usize::MAX))).contains("data.image_size"));
        let resize = ImageOptions { resize: Resize::FitPad, ..ImageOptions::default() };
        assert!(refused(resize).contains("data.resize: expected data.image_size"));
        let channels = ImageOptions { channels: Some(2), ..ImageOptions::default() };
        assert!(refused(channels).contains("data.channels: expected 1 (grey) or 3 (RGB), got 2"));
    }
}
