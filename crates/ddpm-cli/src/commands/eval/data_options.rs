//! A data set by its name, from the command line.

use crate::datasets::load_data;
use crate::evaluation::Images;
use crate::given::Given;
use crate::image_file_options::ImageFileOptions;
use anyhow::{Context, Result, bail};
use ddpm_data::{DatasetName, Split};
use std::path::PathBuf;

/// A data set.
#[derive(clap::Args, Debug, Clone)]
pub(super) struct DataOptions {
    /// A data set: digits, fashion-mnist, cifar10 or image-folder
    #[arg(long, value_name = "NAME")]
    pub(super) data: Option<DatasetName>,
    /// Its part: train or held-out [default: train; for a likelihood held-out where there are such images]
    #[arg(long, value_name = "SPLIT", value_parser = split)]
    pub(super) split: Option<Split>,
    /// A local folder instead of the cache
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) files: ImageFileOptions,
}

fn split(word: &str) -> Result<Split, String> {
    match word {
        "train" => Ok(Split::Train),
        "held-out" => Ok(Split::HeldOut),
        _ => Err("expected train or held-out".into()),
    }
}

impl DataOptions {
    /// The images of the data set, of its training part unless another is named.
    pub(super) fn load(&self, given: &Given) -> Result<Images> {
        self.load_or(Split::Train, given)
    }

    /// The images of the data set, of the `usual` part, where it has one, unless another is named.
    pub(super) fn load_or(&self, usual: Split, given: &Given) -> Result<Images> {
        let name = self.data.context("--data is needed")?;
        let options = self.files.of(name, given)?;
        let dataset = load_data(name, self.data_dir.as_deref(), &options)?;
        let usual = if dataset.held_out.is_some() { usual } else { Split::Train };
        let split = self.split.unwrap_or(usual);
        let images = match (split, dataset.held_out) {
            (Split::Train, _) => dataset.train,
            (Split::HeldOut, Some(images)) => images,
            (Split::HeldOut, None) => bail!("--split held-out: {name} has no held-out images"),
        };
        Ok(Images { images, name: format!("{name}, {split}") })
    }
}
