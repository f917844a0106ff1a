//! Loading a dataset, given by its name and a folder, into memory.

use std::path::{Path, PathBuf};

use crate::cache::{dataset_dir, datasets_dir};
use crate::checksum::verify;
use crate::digits;
use crate::error::{DataError, Result};
use crate::fetch::is_fetched;
use crate::format::{cifar, fashion, folder};
use crate::image_options::ImageOptions;
use crate::image_set::{Dataset, ImageShape};
use crate::manifest;
use crate::name::DatasetName;
use crate::stream::{self, Expected, ImageSource, StreamedDataset};
use crate::unread::Unread;

/// Where a dataset is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The copy in the program, or the files that [`fetch`](crate::fetch) stored below this folder. Checksums are verified.
    Managed(PathBuf),
    /// A folder or archive that the user names, in any layout in which the dataset is distributed, or as a folder of
    /// images with one sub-folder for each class. Its structure is verified. Its checksum is not, so that re-encoded
    /// copies can be used.
    Folder(PathBuf),
}

impl Source {
    /// The folder that the user names, or the user's cache folder where none is named.
    pub fn from_data_dir(data_dir: Option<&Path>) -> Result<Self> {
        match data_dir {
            Some(folder) => Ok(Self::Folder(folder.to_path_buf())),
            None => Ok(Self::Managed(datasets_dir()?)),
        }
    }
}

impl DatasetName {
    /// The shape of the images, where it does not depend on the files.
    pub const fn shape(self) -> Option<ImageShape> {
        match self {
            Self::Digits => Some(digits::SHAPE),
            Self::FashionMnist => Some(fashion::SHAPE),
            Self::Cifar10 => Some(cifar::SHAPE),
            Self::ImageFolder => None,
        }
    }
}

/// A data set, and what lies among its files and is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The images.
    pub dataset: Dataset,
    /// What is not read; empty for a data set without image files.
    pub unread: Unread,
}

impl From<Dataset> for Loaded {
    fn from(dataset: Dataset) -> Self {
        Self { dataset, unread: Unread::default() }
    }
}

/// Loads a dataset into memory, its images as they are in their files.
pub fn load(name: DatasetName, source: &Source) -> Result<Dataset> {
    Ok(load_with(name, source, &ImageOptions::default())?.dataset)
}

/// Loads a dataset into memory; `options` are for [`DatasetName::ImageFolder`] alone.
pub fn load_with(name: DatasetName, source: &Source, options: &ImageOptions) -> Result<Loaded> {
    match source {
        Source::Managed(datasets) => load_managed(name, datasets),
        Source::Folder(place) => load_local(name, place, options),
    }
}

fn load_managed(name: DatasetName, datasets: &Path) -> Result<Loaded> {
    if name == DatasetName::Digits {
        return Ok(digits::load()?.into());
    }
    let entry = manifest::entry(name)?;
    let place = dataset_dir(datasets, name);
    if !is_fetched(name, datasets)? {
        return Err(DataError::NotFetched { name, folder: place });
    }
    for file in &entry.files {
        verify(&place.join(&file.name), file)?;
    }
    load_local(name, &place, &ImageOptions::default())
}

fn load_local(name: DatasetName, place: &Path, options: &ImageOptions) -> Result<Loaded> {
    let refuse = |got: &str| DataError::no_data(place, format!("{name}: {}", accepted(name)), got);
    if !place.exists() {
        return Err(refuse("no such file or folder"));
    }
    match name {
        DatasetName::Digits => {
            let table = if place.is_file() { place.to_path_buf() } else { place.join(digits::FILE) };
            if table.is_file() {
                return Ok(digits::load_file(&table)?.into());
            }
        }
        DatasetName::FashionMnist => {
            if let Some(folder) = fashion::locate(place) {
                return Ok(fashion::load(&folder)?.into());
            }
        }
        DatasetName::Cifar10 => {
            if place.is_file() {
                return Ok(cifar::load_archive(place)?.into());
            }
            if let Some(location) = cifar::locate(place) {
                return Ok(location.load()?.into());
            }
        }
        DatasetName::ImageFolder => return load_images(place, options, Expected::default()),
    }
    if folder::is_image_folder(place) {
        let class_names: &[&str] = match name {
            DatasetName::FashionMnist => &fashion::CLASS_NAMES,
            DatasetName::Cifar10 => &cifar::CLASS_NAMES,
            _ => &digits::CLASS_NAMES,
        };
        let expected = Expected { shape: name.shape(), class_names: Some(class_names) };
        return load_images(place, &ImageOptions::default(), expected);
    }
    if name == DatasetName::Cifar10 && place.join(cifar::PYTHON_FOLDER).is_dir() {
        return Err(refuse("the version for Python (pickles, which are never read)"));
    }
    Err(refuse("none of these"))
}

/// Decodes all images of a folder or of tar shards.
fn load_images(root: &Path, options: &ImageOptions, expected: Expected<'_>) -> Result<Loaded> {
    let StreamedDataset { train, held_out, unread } = stream::open_expecting(root, options, expected)?;
    let all = |source: &dyn ImageSource| stream::resident(source, source.len());
    let dataset = Dataset {
        train: all(train.as_ref())?,
        held_out: held_out.map(|source| all(source.as_ref())).transpose()?,
    };
    Ok(Loaded { dataset, unread })
}

/// The layouts that are accepted in a local folder, for the error message.
fn accepted(name: DatasetName) -> String {
    let images = "train/CLASS/*.png or *.jpg and test/CLASS/*";
    match name {
        DatasetName::Digits => format!("{}, or {images}", digits::FILE),
        DatasetName::FashionMnist => format!("its four IDX files (gzipped or not), or {images}"),
        DatasetName::Cifar10 => {
            format!("{}/data_batch_1.bin and its siblings, {}, or {images}", cifar::FOLDER, cifar::ARCHIVE)
        }
        DatasetName::ImageFolder => format!("{images}, or CLASS/*, or tar shards train/*.tar"),
    }
}
