//! Folders of image files.

use std::fs;
use std::path::Path;

use ddpm_data::info::summarize;
use ddpm_data::{DatasetName, ImageShape, Split};
use tempfile::TempDir;

use crate::{from_folder, message, planes, write_png};

const SMALL: ImageShape = ImageShape::new(3, 4, 6);

fn image_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (k, path) in ["train/b/2.png", "train/a/10.png", "train/a/9.png", "test/b/x.png"].iter().enumerate() {
        write_png(&folder.path().join(path), SMALL, k);
    }
    fs::write(folder.path().join("train/a/.hidden.png"), "not an image").unwrap();
    fs::write(folder.path().join("train/a/notes.txt"), "not an image").unwrap();
    folder
}

#[test]
fn images_come_sorted_with_labels_by_folder() {
    let folder = image_folder();
    let dataset = from_folder(DatasetName::ImageFolder, folder.path()).unwrap();
    assert_eq!(dataset.shape(), SMALL);
    assert_eq!(dataset.train.class_names(), ["a", "b"]);
    assert_eq!(dataset.train.labels(), Some(&[0_i64, 0, 1][..]));
    let expected: Vec<u8> = [1, 2, 0].into_iter().flat_map(|k| planes(SMALL, k)).collect();
    assert_eq!(dataset.train.pixels(), expected);
    // A class that only the held-out part lacks keeps its number.
    assert_eq!(dataset.split(Split::HeldOut).unwrap().labels(), Some(&[1_i64][..]));
    assert_eq!(summarize(&dataset).splits.len(), 2);
}

#[test]
fn class_folders_alone_have_no_held_out_part_and_bare_images_no_labels() {
    let folder = image_folder();
    let classes = from_folder(DatasetName::ImageFolder, &folder.path().join("train")).unwrap();
    assert_eq!(classes.train.len(), 3);
    let error = classes.split(Split::HeldOut).unwrap_err().to_string();
    assert_eq!(
        error,
        "held-out images: expected a folder `test` beside `train`, got a dataset without a held-out split"
    );
    let bare = from_folder(DatasetName::ImageFolder, &folder.path().join("train/a")).unwrap();
    assert_eq!(bare.train.labels(), None);
    assert_eq!(bare.train.len(), 2);
}

#[test]
fn grey_joins_colour_and_stays_grey_alone() {
    let folder = tempfile::tempdir().unwrap();
    let grey = ImageShape::new(1, 4, 6);
    write_png(&folder.path().join("a/1.png"), grey, 1);
    let alone = from_folder(DatasetName::ImageFolder, folder.path()).unwrap();
    assert_eq!(alone.shape(), grey);
    assert_eq!(alone.train.pixels(), planes(grey, 1));
    write_png(&folder.path().join("a/2.png"), SMALL, 2);
    let joined = from_folder(DatasetName::ImageFolder, folder.path()).unwrap();
    assert_eq!(joined.shape(), SMALL);
    assert_eq!(joined.train.image(0), planes(grey, 1).repeat(3));
    assert_eq!(joined.train.image(1), planes(SMALL, 2));
}

#[test]
fn jpegs_are_read_to_within_their_rounding() {
    let folder = tempfile::tempdir().unwrap();
    let flat = image::RgbImage::from_pixel(16, 16, image::Rgb([200, 100, 50]));
    flat.save(folder.path().join("flat.JPG")).unwrap();
    let dataset = from_folder(DatasetName::ImageFolder, folder.path()).unwrap();
    for (plane, expected) in dataset.train.image(0).chunks(256).zip([200_u8, 100, 50]) {
        assert!(plane.iter().all(|value| value.abs_diff(expected) <= 3), "{plane:?}");
    }
}

#[test]
fn misfits_are_named() {
    let check = |spoil: &dyn Fn(&Path), expected: &str| {
        let folder = image_folder();
        spoil(folder.path());
        let message = message(DatasetName::ImageFolder, folder.path());
        assert!(message.contains(expected), "{message}\nlacks\n{expected}");
    };
    check(
        &|root| write_png(&root.join("train/b/3.png"), ImageShape::new(3, 4, 5), 0),
        "train/b/3.png: whole file: expected an image of 6x4 RGB, got 5x4 RGB",
    );
    check(
        &|root| {
            let whole = fs::read(root.join("train/b/2.png")).unwrap();
            fs::write(root.join("train/b/2.png"), &whole[..whole.len() - 20]).unwrap();
        },
        "cannot decode ",
    );
    check(&|root| fs::write(root.join("train/b/2.png"), "text").unwrap(), "train/b/2.png");
    check(
        &|root| fs::write(root.join("train/b/4.webp"), "").unwrap(),
        "expected PNG or JPEG (convert it first)",
    );
    check(
        &|root| write_png(&root.join("train/stray.png"), SMALL, 0),
        "train: expected either images or class folders, got both, such as stray.png and a",
    );
    check(
        &|root| write_png(&root.join("test/c/1.png"), SMALL, 0),
        "test/c: expected a class folder among a, b, got `c`",
    );
    check(
        &|root| fs::create_dir(root.join("train/empty")).unwrap(),
        "train/empty: expected PNG or JPEG images",
    );
    check(
        &|root| {
            let clear = image::RgbaImage::from_pixel(6, 4, image::Rgba([1, 2, 3, 128]));
            clear.save(root.join("train/a/clear.png")).unwrap();
        },
        "train/a/clear.png: whole file: expected opaque pixels (flatten it onto a background first)",
    );
    check(
        &|root| {
            let deep: image::ImageBuffer<image::Luma<u16>, Vec<u16>> = image::ImageBuffer::new(6, 4);
            deep.save(root.join("train/a/deep.png")).unwrap();
        },
        "train/a/deep.png: whole file: expected 8 bits a channel, got L16",
    );
    let empty = tempfile::tempdir().unwrap();
    assert!(message(DatasetName::ImageFolder, empty.path()).contains("expected PNG or JPEG images"));
}

/// Decoders of JPEG fill the missing rest of a file that was cut short.
#[test]
fn a_cut_jpeg_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.jpg");
    let noise = image::RgbImage::from_fn(64, 64, |x, y| {
        let value = (x * 7919 + y * 104_729) % 251;
        image::Rgb([value as u8, (value * 3 % 256) as u8, (x * y % 256) as u8])
    });
    noise.save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    assert_eq!(from_folder(DatasetName::ImageFolder, folder.path()).unwrap().train.len(), 1);
    for length in [whole.len() - 2, whole.len() - 20, whole.len() * 3 / 4, whole.len() / 2] {
        fs::write(&path, &whole[..length]).unwrap();
        let dataset = from_folder(DatasetName::ImageFolder, folder.path());
        let message = dataset.map(|_| "no error").unwrap_err().to_string();
        assert!(message.contains("cut.jpg"), "{length} of {}: {message}", whole.len());
    }
}

#[test]
fn a_pipe_among_images_is_refused_and_does_not_block() {
    let folder = image_folder();
    let pipe = folder.path().join("train/a/pipe.png");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let message = message(DatasetName::ImageFolder, folder.path());
    assert!(message.contains("pipe.png: whole file: expected a regular file"), "{message}");
}
