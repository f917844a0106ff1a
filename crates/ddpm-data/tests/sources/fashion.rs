//! Fashion-MNIST: four IDX files, local and fetched.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use ddpm_data::{DatasetName, ImageShape, Source, Split, load};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::{from_folder, message};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn idx(dimensions: &[u32], elements: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
    bytes.extend(dimensions.iter().flat_map(|dimension| dimension.to_be_bytes()));
    bytes.extend(elements);
    bytes
}

fn write_fashion(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for (prefix, count) in [("train", 60_000), ("t10k", 10_000)] {
        let pixels = (0..count * 784).map(|k| (k / 784 + k % 784) as u8);
        let images = idx(&[count, 28, 28], pixels);
        let labels = idx(&[count], (0..count).map(|k| (k % 10) as u8));
        // One split gzipped, the other not.
        if prefix == "t10k" {
            fs::write(folder.join(format!("{prefix}-images-idx3-ubyte.gz")), gzip(&images)).unwrap();
            fs::write(folder.join(format!("{prefix}-labels-idx1-ubyte.gz")), gzip(&labels)).unwrap();
        } else {
            fs::write(folder.join(format!("{prefix}-images-idx3-ubyte")), images).unwrap();
            fs::write(folder.join(format!("{prefix}-labels-idx1-ubyte")), labels).unwrap();
        }
    }
}

#[test]
fn fashion_mnist_is_read_plain_and_gzipped_and_complains_precisely() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("FashionMNIST/raw");
    write_fashion(&raw);
    let dataset = from_folder(DatasetName::FashionMnist, folder.path()).unwrap();
    let held_out = dataset.split(Split::HeldOut).unwrap();
    assert_eq!((dataset.train.len(), held_out.len()), (60_000, 10_000));
    assert_eq!(dataset.shape(), ImageShape::new(1, 28, 28));
    assert_eq!(dataset.train.image(300)[..3], [44, 45, 46]);
    assert_eq!(held_out.labels().unwrap()[..12], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
    assert_eq!(held_out.class_names()[9], "Ankle boot");
    assert!(from_folder(DatasetName::FashionMnist, &raw).unwrap() == dataset);

    let labels = raw.join("train-labels-idx1-ubyte");
    let mut bad = fs::read(&labels).unwrap();
    bad[8 + 1234] = 77;
    fs::write(&labels, bad).unwrap();
    let expected =
        format!("{}: record 1234 (byte 1242): expected a label in 0..=9, got 77", labels.display());
    assert_eq!(message(DatasetName::FashionMnist, folder.path()), expected);
    fs::remove_file(&labels).unwrap();
    let expected = "expected the file train-labels-idx1-ubyte or train-labels-idx1-ubyte.gz, got neither";
    assert!(message(DatasetName::FashionMnist, folder.path()).contains(expected));
}

/// What was fetched is compared with the manifest before it is believed.
#[test]
fn fetched_files_are_verified_on_loading() {
    let datasets = tempfile::tempdir().unwrap();
    let source = Source::Managed(datasets.path().to_path_buf());
    let error = load(DatasetName::FashionMnist, &source).unwrap_err().to_string();
    let folder = datasets.path().join("fashion-mnist");
    let expected = "run `ddpm data fetch fashion-mnist`, or name a folder that holds it (--data-dir DIR)";
    assert_eq!(error, format!("fashion-mnist is not in {}: {expected}", folder.display()));

    fs::create_dir(&folder).unwrap();
    for file in &ddpm_data::manifest::entry(DatasetName::FashionMnist).unwrap().files {
        File::create(folder.join(&file.name)).unwrap().set_len(file.size).unwrap();
    }
    let error = load(DatasetName::FashionMnist, &source).unwrap_err().to_string();
    let digest = "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84";
    assert!(
        error.contains(&format!("train-images-idx3-ubyte.gz: expected SHA-256 {digest}, got ")),
        "{error}"
    );
}
