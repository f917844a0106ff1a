//! Loading a dataset, given by its name and a folder, into memory.

use std::path::{Path, PathBuf};

use crate::cache::{dataset_dir, datasets_dir};
use crate::checksum::verify;
use crate::digits;
use crate::error::{DataError, Result};
use crate::fetch::is_fetched;
use crate::format::folder::Expected;
use crate::format::{cifar, fashion, folder};
use crate::image_set::{Dataset, ImageShape};
use crate::manifest;
use crate::name::DatasetName;
use crate::stream::{self, ImageSource, StreamedDataset};

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

/// Loads a dataset into memory.
pub fn load(name: DatasetName, source: &Source) -> Result<Dataset> {
    match source {
        Source::Managed(datasets) => load_managed(name, datasets),
        Source::Folder(place) => load_local(name, place),
    }
}

fn load_managed(name: DatasetName, datasets: &Path) -> Result<Dataset> {
    if name == DatasetName::Digits {
        return digits::load();
    }
    let entry = manifest::entry(name)?;
    let place = dataset_dir(datasets, name);
    if !is_fetched(name, datasets)? {
        return Err(DataError::NotFetched { name, folder: place });
    }
    for file in &entry.files {
        verify(&place.join(&file.name), file)?;
    }
    load_local(name, &place)
}

fn load_local(name: DatasetName, place: &Path) -> Result<Dataset> {
    let refuse = |got: &str| DataError::no_data(place, format!("{name}: {}", accepted(name)), got);
    if !place.exists() {
        return Err(refuse("no such file or folder"));
    }
    match name {
        DatasetName::Digits => {
            let table = if place.is_file() { place.to_path_buf() } else { place.join(digits::FILE) };
            if table.is_file() {
                return digits::load_file(&table);
            }
        }
        DatasetName::FashionMnist => {
            if let Some(folder) = fashion::locate(place) {
                return fashion::load(&folder);
            }
        }
        DatasetName::Cifar10 => {
            if place.is_file() {
                return cifar::load_archive(place);
            }
            if let Some(location) = cifar::locate(place) {
                return location.load();
            }
        }
        DatasetName::ImageFolder if stream::is_sharded(place) => {
            let StreamedDataset { train, held_out } = stream::open(place)?;
            let all = |source: &dyn ImageSource| stream::resident(source, source.len());
            return Ok(Dataset {
                train: all(train.as_ref())?,
                held_out: held_out.map(|source| all(source.as_ref())).transpose()?,
            });
        }
        DatasetName::ImageFolder => return folder::load(place, Expected::default()),
    }
    if folder::is_image_folder(place) {
        let class_names: &[&str] = match name {
            DatasetName::FashionMnist => &fashion::CLASS_NAMES,
            DatasetName::Cifar10 => &cifar::CLASS_NAMES,
            _ => &digits::CLASS_NAMES,
        };
        return folder::load(place, Expected { shape: name.shape(), class_names: Some(class_names) });
    }
    if name == DatasetName::Cifar10 && place.join(cifar::PYTHON_FOLDER).is_dir() {
        return Err(refuse("the version for Python (pickles, which are never read)"));
    }
    Err(refuse("none of these"))
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
