//! `[data]`: a data set of images, or a closed-form target.

use crate::target_file;
use anyhow::{Context, Result, bail, ensure};
use ddpm_core::{Target, TargetSpec};
use ddpm_data::DatasetName;
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
}

impl ImageData {
    /// Only images in files can be streamed.
    pub(crate) fn validate(&self) -> Result<()> {
        ensure!(
            !self.stream || self.name == DatasetName::ImageFolder,
            "data.stream: {} is always held in memory; expected data.name = \"image-folder\"",
            self.name
        );
        Ok(())
    }

    /// Which images, wherever they are read from.
    pub(super) fn trained_part(&self) -> Self {
        ImageData { name: self.name, dir: None, stream: false }
    }
}

/// `[data]` of a run on vectors: a closed-form target, written here or in a file. Training draws its samples afresh.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TargetData {
    /// The target itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<TargetSpec>,
    /// A target file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<PathBuf>,
}

impl TargetData {
    /// The distribution.
    pub(crate) fn build(&self) -> Result<Target> {
        match (&self.target, &self.file) {
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
