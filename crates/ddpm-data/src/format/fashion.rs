//! Fashion-MNIST: four IDX files, images and labels of the training and of the held-out set.

use std::path::{Path, PathBuf};

use crate::error::{DataError, Place, Result};
use crate::image_set::{Dataset, ImageSet, ImageShape};

use super::idx;

/// The shape of an image.
pub(crate) const SHAPE: ImageShape = ImageShape::new(1, 28, 28);

/// The classes in the order of their labels.
pub(crate) const CLASS_NAMES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

const TRAIN: (&str, usize) = ("train", 60_000);
const HELD_OUT: (&str, usize) = ("t10k", 10_000);

/// Sub-folders in which the files are looked for: the folder itself, and the one in which torchvision stores them.
const SUBFOLDERS: [&str; 2] = ["", "FashionMNIST/raw"];

/// The folder at or below `root` that holds the four files, if there is one.
pub(crate) fn locate(root: &Path) -> Option<PathBuf> {
    SUBFOLDERS
        .into_iter()
        .map(|below| root.join(below))
        .find(|folder| find(folder, TRAIN.0, "images-idx3").is_some())
}

/// Reads the four files in `folder`, each gzipped or not.
pub(crate) fn load(folder: &Path) -> Result<Dataset> {
    Ok(Dataset { train: load_split(folder, TRAIN)?, held_out: Some(load_split(folder, HELD_OUT)?) })
}

fn load_split(folder: &Path, (prefix, count): (&str, usize)) -> Result<ImageSet> {
    let existing = |kind| {
        find(folder, prefix, kind).ok_or_else(|| {
            let expected = format!("the file {prefix}-{kind}-ubyte or {prefix}-{kind}-ubyte.gz");
            DataError::no_data(folder, expected, "neither")
        })
    };
    let pixels = idx::read(&existing("images-idx3")?, [count, SHAPE.height, SHAPE.width])?;
    let label_path = existing("labels-idx1")?;
    let labels = idx::read(&label_path, [count])?;
    if let Some(record) = labels.iter().position(|&label| usize::from(label) >= CLASS_NAMES.len()) {
        // Eight header bytes come before the first label.
        let place = Place::Record { record: record as u64, byte: record as u64 + 8 };
        return Err(DataError::malformed(&label_path, place, "a label in 0..=9", labels[record]));
    }
    let names = CLASS_NAMES.map(str::to_string).to_vec();
    ImageSet::new(SHAPE, pixels)?.with_labels(labels.into_iter().map(i64::from).collect(), names)
}

fn find(folder: &Path, prefix: &str, kind: &str) -> Option<PathBuf> {
    ["", ".gz"]
        .into_iter()
        .map(|suffix| folder.join(format!("{prefix}-{kind}-ubyte{suffix}")))
        .find(|path| path.is_file())
}
