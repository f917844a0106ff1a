//! A data set by its name, from the command line.

use crate::datasets::load_data;
use crate::evaluation::Images;
use crate::given::Given;
use crate::image_file_options::ImageFileOptions;
use anyhow::{Context, Result, bail};
use ddpm_data::{DatasetName, ImageSet, Split};
use std::path::PathBuf;

/// A data set.
#[derive(clap::Args, Debug, Clone)]
#[command(next_help_heading = None::<&str>)]
pub(super) struct DataPlace {
    /// A data set: digits, fashion-mnist, cifar10 or image-folder
    #[arg(long, value_name = "NAME")]
    pub(super) data: Option<DatasetName>,
    /// A local folder instead of the cache
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) files: ImageFileOptions,
}

/// A part of a data set.
#[derive(clap::Args, Debug, Clone)]
#[command(next_help_heading = None::<&str>)]
pub(super) struct DataOptions {
    /// Part of the data set: train or held-out [default: train; for a likelihood held-out where there are such images]
    #[arg(long, value_name = "SPLIT", value_parser = split)]
    split: Option<Split>,
    #[command(flatten)]
    pub(super) place: DataPlace,
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
        let (train, held_out) = self.place.load_both(given)?;
        let usual = if held_out.is_some() { usual } else { Split::Train };
        match (self.split.unwrap_or(usual), held_out) {
            (Split::Train, _) => Ok(train),
            (Split::HeldOut, Some(images)) => Ok(images),
            (Split::HeldOut, None) => {
                bail!("--split held-out: {} has no held-out images", self.place.name()?)
            }
        }
    }
}

impl DataPlace {
    /// The training images, and the held-out ones where there are any.
    pub(super) fn load_both(&self, given: &Given) -> Result<(Images, Option<Images>)> {
        let name = self.name()?;
        let options = self.files.of(name, given)?;
        let dataset = load_data(name, self.data_dir.as_deref(), &options)?;
        let of = |images: ImageSet, split: Split| Images { images, name: format!("{name}, {split}") };
        Ok((of(dataset.train, Split::Train), dataset.held_out.map(|images| of(images, Split::HeldOut))))
    }

    fn name(&self) -> Result<DatasetName> {
        self.data.context("--data is needed")
    }
}
