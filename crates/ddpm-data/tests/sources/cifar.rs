//! CIFAR-10: batches, archive, images.

use std::fs::{self, File};
use std::path::Path;

use ddpm_data::{DatasetName, ImageShape, Split};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::{from_folder, message, planes, write_png};

const CIFAR_CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Six batches of 10,000 records with labels 0..9 in turn.
fn write_cifar(folder: &Path) {
    let shape = ImageShape::new(3, 32, 32);
    fs::create_dir_all(folder).unwrap();
    let names = (1..=5).map(|k| format!("data_batch_{k}.bin")).chain(["test_batch.bin".to_string()]);
    for (batch, name) in names.enumerate() {
        let mut bytes = Vec::with_capacity(30_730_000);
        for record in 0..10_000 {
            bytes.push((record % 10) as u8);
            bytes.extend(planes(shape, record + batch));
        }
        fs::write(folder.join(name), bytes).unwrap();
    }
}

#[test]
fn cifar_is_the_same_from_batches_and_archive_and_complains_precisely() {
    let folder = tempfile::tempdir().unwrap();
    let batches = folder.path().join("cifar-10-batches-bin");
    write_cifar(&batches);
    let direct = from_folder(DatasetName::Cifar10, &batches).unwrap();
    assert_eq!(direct.train.len(), 50_000);
    let held_out = direct.split(Split::HeldOut).unwrap();
    assert_eq!(held_out.len(), 10_000);
    assert_eq!(direct.train.class_names(), CIFAR_CLASSES);
    // Record 7 of the third batch.
    assert_eq!(direct.train.image(20_007), planes(direct.shape(), 9));
    assert_eq!(direct.train.labels().unwrap()[20_007], 7);
    assert_eq!(held_out.image(3), planes(direct.shape(), 8));
    assert!(from_folder(DatasetName::Cifar10, folder.path()).unwrap() == direct);

    // The archive lists its files in an order of its own, as the original does.
    let elsewhere = tempfile::tempdir().unwrap();
    let archive = elsewhere.path().join("cifar-10-binary.tar.gz");
    let mut tar = tar::Builder::new(GzEncoder::new(File::create(&archive).unwrap(), Compression::fast()));
    for k in ["test_batch", "data_batch_4", "data_batch_1", "data_batch_5", "data_batch_3", "data_batch_2"] {
        let inside = format!("cifar-10-batches-bin/{k}.bin");
        tar.append_path_with_name(folder.path().join(&inside), &inside).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
    assert!(from_folder(DatasetName::Cifar10, elsewhere.path()).unwrap() == direct);
    assert!(from_folder(DatasetName::Cifar10, &archive).unwrap() == direct);

    // A truncated archive.
    let size = fs::metadata(&archive).unwrap().len();
    File::options().write(true).open(&archive).unwrap().set_len(size / 2).unwrap();
    let error = message(DatasetName::Cifar10, elsewhere.path());
    assert!(error.starts_with(&format!("cannot unpack {}", archive.display())), "{error}");

    // A label out of range, a short file, a missing one.
    let third = batches.join("data_batch_3.bin");
    let good = fs::read(&third).unwrap();
    let mut bad = good.clone();
    bad[3073 * 41] = 10;
    fs::write(&third, &bad).unwrap();
    let expected = format!("{}: record 41 (byte 125993): expected a label in 0..=9, got 10", third.display());
    assert_eq!(message(DatasetName::Cifar10, folder.path()), expected);
    fs::write(&third, &good[..good.len() - 1]).unwrap();
    let expected = "byte 30729999: expected 30730000 bytes in all (10000 records of 3073), got 30729999";
    assert_eq!(message(DatasetName::Cifar10, folder.path()), format!("{}: {expected}", third.display()));
    fs::remove_file(&third).unwrap();
    let error = message(DatasetName::Cifar10, folder.path());
    assert!(error.starts_with(&format!("cannot read {}", third.display())), "{error}");
}

#[test]
fn cifar_from_a_folder_of_images_keeps_its_labels() {
    let folder = tempfile::tempdir().unwrap();
    let shape = ImageShape::new(3, 32, 32);
    for (split, offset) in [("train", 0), ("test", 50)] {
        // Not all classes are there: labels stay those of the dataset.
        for (k, class) in ["truck", "bird", "ship"].into_iter().enumerate() {
            for image in 0..2 {
                let path = folder.path().join(split).join(class).join(format!("{image:04}.png"));
                write_png(&path, shape, offset + 10 * k + image);
            }
        }
    }
    let dataset = from_folder(DatasetName::Cifar10, folder.path()).unwrap();
    assert_eq!(dataset.train.labels(), Some(&[2_i64, 2, 8, 8, 9, 9][..]));
    assert_eq!(dataset.train.class_names(), CIFAR_CLASSES);
    assert_eq!(dataset.train.image(1), planes(shape, 11));
    assert_eq!(dataset.split(Split::HeldOut).unwrap().image(5), planes(shape, 51));

    fs::rename(folder.path().join("test/ship"), folder.path().join("test/boat")).unwrap();
    let error = message(DatasetName::Cifar10, folder.path());
    assert!(error.contains("boat: expected a class folder among airplane, automobile"), "{error}");
}

#[test]
fn cifar_for_python_is_recognized_and_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("cifar-10-batches-py")).unwrap();
    let error = message(DatasetName::Cifar10, folder.path());
    assert!(error.ends_with("got the version for Python (pickles, which are never read)"), "{error}");
}
