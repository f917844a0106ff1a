//! `[data]`: a data set of images, or a closed-form target.

use crate::target_file;
use anyhow::{Context, Result, bail, ensure};
use ddpm_core::{Target, TargetSpec};
use ddpm_data::{DatasetName, ImageOptions, ImageSize, OnError, Resize};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[data]` of a run on images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImageData {
    /// The data set.
    pub(crate) name: DatasetName,
    /// A local folder instead of fetching.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dir: Option<PathBuf>,
    /// Leave the images (an image folder or tar shards) on the disk and read them ahead of the steps: for sets larger than memory.
    #[serde(default)]
    pub(crate) stream: bool,
    /// Height and width of the images of an image folder; those of the first image where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) image_size: Option<ImageSize>,
    /// How an image of another size is brought to `image_size`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) resize: Resize,
    /// 1 for grey, 3 for RGB: images of the other kind are converted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) channels: Option<usize>,
    /// What happens at an image that cannot be read.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) on_error: OnError,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl ImageData {
    /// A data set as it is.
    pub(crate) fn of(name: DatasetName) -> Self {
        ImageData {
            name,
            dir: None,
            stream: false,
            image_size: None,
            resize: Resize::default(),
            channels: None,
            on_error: OnError::default(),
        }
    }

    /// How the files of an image folder become images of one shape.
    pub(crate) fn options(&self) -> ImageOptions {
        ImageOptions {
            size: self.image_size,
            resize: self.resize,
            channels: self.channels,
            on_error: self.on_error,
        }
    }

    /// Only images in files can be streamed, resized and skipped.
    pub(crate) fn validate(&self) -> Result<()> {
        self.options().validate()?;
        if self.name != DatasetName::ImageFolder {
            let given = [
                ("image_size", self.image_size.is_some()),
                ("resize", self.resize != Resize::default()),
                ("channels", self.channels.is_some()),
                ("on_error", self.on_error != OnError::default()),
            ];
            if let Some((key, _)) = given.into_iter().find(|(_, given)| *given) {
                bail!(
                    "data.{key} has no effect on {}, whose images have one size and kind; it is for data.name = \"image-folder\"",
                    self.name
                );
            }
        }
        ensure!(
            !self.stream || self.name == DatasetName::ImageFolder,
            "data.stream: {} is always held in memory; expected data.name = \"image-folder\"",
            self.name
        );
        Ok(())
    }

    /// Which images, wherever they are read from.
    pub(super) fn trained_part(&self) -> Self {
        ImageData { dir: None, stream: false, on_error: OnError::default(), ..self.clone() }
    }
}

/// Data of one's own: an array of numbers in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OwnArrays {
    /// .npy, .safetensors or .csv.
    Tensors,
}

/// `[data]` of a run on vectors: a closed-form target, written here or in a file, whose samples training draws afresh; or the points of an array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TargetData {
    /// The target itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<TargetSpec>,
    /// A target file; with `name = "tensors"` an array [n, d] of f32 or f64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<PathBuf>,
    /// `tensors`: `file` holds an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<OwnArrays>,
    /// Which tensor of a safetensors file; the only one unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tensor: Option<String>,
    /// The points are divided by this, so that they are of unit size; samples of the trained network are multiplied by it. 1 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scale: Option<f64>,
}

impl TargetData {
    /// The distribution.
    pub(crate) fn build(&self) -> Result<Target> {
        if self.name.is_none() {
            for (key, given) in [("tensor", self.tensor.is_some()), ("scale", self.scale.is_some())] {
                ensure!(!given, "data.{key} has no effect without data.name = \"tensors\"");
            }
        }
        match (&self.target, &self.file) {
            (None, Some(path)) if self.name.is_some() => {
                target_file::read_points(path, self.tensor.as_deref(), self.scale.unwrap_or(1.0))
                    .context("data")
            }
            _ if self.name.is_some() => {
                bail!(
                    "data.name = \"tensors\" needs data.file, a .npy, .safetensors or .csv file, and no target"
                )
            }
            (Some(spec), None) => match spec.file() {
                Some(_) => {
                    bail!("data.target: moments in a file need a target file of their own; use data.file")
                }
                None => spec.build().context("data.target"),
            },
            (None, Some(path)) => target_file::read(path),
            _ => bail!("data: expected either target or file"),
        }
    }
}
