//! Options of commands that read image files, the keys `image_size`, `resize`, `channels` and `on_error` of `[data]`.

use crate::given::Given;
use anyhow::{Context, Result};
use ddpm_data::{DatasetName, ImageOptions, ImageSize, OnError, Resize};

/// How the files of an image folder become images of one shape.
#[derive(clap::Args, Debug, Clone, Default)]
#[command(next_help_heading = "Images of a folder")]
pub(crate) struct ImageFileOptions {
    /// Height and width of the images, as 64 or 48x64 [default: those of the first image]
    #[arg(long, value_name = "SIDE|HEIGHTxWIDTH")]
    image_size: Option<ImageSize>,
    /// How images of another size are brought to --image-size: none (refused), cover-crop or fit-pad [default: none]
    #[arg(long, value_name = "HOW", value_parser = how::<Resize>)]
    resize: Option<Resize>,
    /// 1 for grey, 3 for RGB: converts images of the other kind, of 16 bits and with transparency [default: all must be of one kind]
    #[arg(long, value_name = "N")]
    channels: Option<usize>,
    /// What happens at an image that cannot be read: stop or skip [default: stop]
    #[arg(long, value_name = "WHAT", value_parser = how::<OnError>)]
    on_error: Option<OnError>,
}

fn how<T: std::str::FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| "not one of the names in --help".to_string())
}

impl ImageFileOptions {
    /// The options for a data set; refused where its images are not read from files of any size.
    pub(crate) fn of(&self, name: DatasetName, given: &Given) -> Result<ImageOptions> {
        if name != DatasetName::ImageFolder {
            given.refuse_group::<Self>(&format!("on {name}, whose images have one size and kind"))?;
        }
        let options = ImageOptions {
            size: self.image_size,
            resize: self.resize.unwrap_or_default(),
            channels: self.channels,
            on_error: self.on_error.unwrap_or_default(),
        };
        options.validate().context("--image-size, --resize, --channels")?;
        Ok(options)
    }
}
