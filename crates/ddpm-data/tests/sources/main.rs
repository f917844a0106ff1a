//! Loading datasets from folders: every layout, and the errors of malformed ones.

// A helper that fails is a test that fails.
#![allow(clippy::unwrap_used)]

mod cifar;
mod fashion;
mod folder;
mod pictures;
mod stream;

use std::path::Path;

use ddpm_data::picture::Picture;
use ddpm_data::{Dataset, DatasetName, ImageShape, Result, Source, load};

fn from_folder(name: DatasetName, folder: &Path) -> Result<Dataset> {
    load(name, &Source::Folder(folder.to_path_buf()))
}

fn message(name: DatasetName, folder: &Path) -> String {
    from_folder(name, folder).unwrap_err().to_string()
}

/// Image `k` of a made-up set: all its bytes differ from those of the images around it.
fn planes(shape: ImageShape, k: usize) -> Vec<u8> {
    (0..shape.dimension()).map(|p| (p * 31 + k * 101 + k / 7) as u8).collect()
}

fn write_png(path: &Path, shape: ImageShape, k: usize) {
    Picture::from_planes(&planes(shape, k), shape).unwrap().write_png(path).unwrap();
}

#[test]
fn digits_need_no_file_and_accept_one() {
    let embedded = load(DatasetName::Digits, &Source::Managed("/nowhere".into())).unwrap();
    let copy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/digits");
    assert!(from_folder(DatasetName::Digits, &copy).unwrap() == embedded);
    assert!(from_folder(DatasetName::Digits, &copy.join("digits.csv.gz")).unwrap() == embedded);
}

#[test]
fn a_missing_folder_is_named_with_what_it_should_hold() {
    let error = message(DatasetName::Cifar10, Path::new("/no/such/folder"));
    assert!(
        error.starts_with("/no/such/folder: expected cifar10: cifar-10-batches-bin/data_batch_1.bin"),
        "{error}"
    );
    assert!(error.ends_with("got no such file or folder"), "{error}");
}
