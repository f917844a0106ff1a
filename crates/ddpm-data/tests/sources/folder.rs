//! Folders of image files.

use std::fs;
use std::path::Path;

use ddpm_data::info::summarize;
use ddpm_data::{DatasetName, ImageOptions, ImageShape, Source, Split, load_with};
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
fn grey_stays_grey_alone_and_is_not_mixed_with_colour_unless_asked() {
    let folder = tempfile::tempdir().unwrap();
    let grey = ImageShape::new(1, 4, 6);
    write_png(&folder.path().join("a/1.png"), grey, 1);
    let alone = from_folder(DatasetName::ImageFolder, folder.path()).unwrap();
    assert_eq!(alone.shape(), grey);
    assert_eq!(alone.train.pixels(), planes(grey, 1));
    write_png(&folder.path().join("a/2.png"), SMALL, 2);
    let error = message(DatasetName::ImageFolder, folder.path());
    assert!(["a/1.png", "a/2.png", "data.channels"].iter().all(|word| error.contains(word)), "{error}");
    let options = ImageOptions { channels: Some(3), ..ImageOptions::default() };
    let source = Source::Folder(folder.path().to_path_buf());
    let joined = load_with(DatasetName::ImageFolder, &source, &options).unwrap().dataset;
    assert_eq!(joined.shape(), SMALL);
    assert_eq!(joined.train.image(0), planes(grey, 1).repeat(3));
    assert_eq!(joined.train.image(1), planes(SMALL, 2));
}

/// Images at any depth belong to the class at the top; numbered classes are in the order of their numbers.
#[test]
fn nested_folders_and_numbered_classes_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["Train/10/x/y/1.png", "Train/10/0.png", "Train/9/b/2.png", "Train/9/a/3.png", "val/9/4.png"];
    for (k, path) in files.iter().enumerate() {
        write_png(&folder.path().join(path), SMALL, k);
    }
    fs::create_dir(folder.path().join("masks")).unwrap();
    fs::write(folder.path().join("Train/9/a/notes.TXT"), "").unwrap();
    let source = Source::Folder(folder.path().to_path_buf());
    let loaded = load_with(DatasetName::ImageFolder, &source, &ImageOptions::default()).unwrap();
    let train = &loaded.dataset.train;
    assert_eq!(train.class_names(), ["9", "10"]);
    assert_eq!(train.labels(), Some(&[0_i64, 0, 1, 1][..]));
    let expected: Vec<u8> = [3, 2, 1, 0].into_iter().flat_map(|k| planes(SMALL, k)).collect();
    assert_eq!(train.pixels(), expected);
    assert_eq!(loaded.dataset.held_out.unwrap().labels(), Some(&[0_i64][..]));
    assert_eq!(loaded.unread.other_files.get(".txt"), Some(&1));
    assert_eq!(loaded.unread.other_folders, [folder.path().join("masks")]);

    // A number is not the position of another number.
    fs::rename(folder.path().join("val/9"), folder.path().join("val/1")).unwrap();
    let error = message(DatasetName::ImageFolder, folder.path());
    assert!(error.contains("expected a class folder among 9, 10, got `1`"), "{error}");
    fs::rename(folder.path().join("val/1"), folder.path().join("val/9")).unwrap();
    std::os::unix::fs::symlink("../..", folder.path().join("Train/9/a/up")).unwrap();
    let error = message(DatasetName::ImageFolder, folder.path());
    assert!(error.contains("up: expected a folder, got a link to a folder that contains it"), "{error}");
}

/// The fingerprint is that of names, sizes, labels and transform, in memory as streamed, wherever the folder lies.
#[test]
fn the_fingerprint_follows_the_files() {
    let folder = image_folder();
    let fingerprint = || from_folder(DatasetName::ImageFolder, folder.path()).unwrap().train.fingerprint();
    let before = fingerprint();
    let options = ImageOptions::default();
    assert_eq!(*ddpm_data::stream::open(folder.path(), &options).unwrap().train.fingerprint(), before);
    let moved = image_folder();
    let elsewhere = from_folder(DatasetName::ImageFolder, moved.path()).unwrap().train.fingerprint();
    assert_eq!(elsewhere, before);
    write_png(&folder.path().join("train/b/3.png"), SMALL, 0);
    let difference = before.difference(&fingerprint()).unwrap();
    assert_eq!(difference, "3 images then, 4 now (class b: 1 then, 2 now)");
    fs::remove_file(folder.path().join("train/b/2.png")).unwrap();
    assert!(before.difference(&fingerprint()).unwrap().contains("names"));
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
        "train/b/3.png: whole file: expected an image of 6x4 RGB as ",
    );
    check(
        &|root| {
            let whole = fs::read(root.join("train/b/2.png")).unwrap();
            fs::write(root.join("train/b/2.png"), &whole[..whole.len() - 20]).unwrap();
        },
        "train/b/2.png: whole file: expected PNG's IEND chunk, got the end of the file",
    );
    check(&|root| fs::write(root.join("train/b/2.png"), "text").unwrap(), "train/b/2.png");
    check(
        &|root| fs::write(root.join("train/b/4.avif"), "").unwrap(),
        "expected PNG, JPEG, WebP, BMP, GIF or TIFF (convert it first)",
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
        "train/empty: expected images (PNG, JPEG, WebP, BMP, GIF or TIFF), got none",
    );
    check(
        &|root| {
            let clear = image::RgbaImage::from_pixel(6, 4, image::Rgba([1, 2, 3, 128]));
            clear.save(root.join("train/a/clear.png")).unwrap();
        },
        "train/a/clear.png: whole file: expected opaque pixels (data.channels = 3 or 1 puts them over black)",
    );
    check(
        &|root| {
            let deep: image::ImageBuffer<image::Rgb<u16>, Vec<u16>> = image::ImageBuffer::new(6, 4);
            deep.save(root.join("train/a/deep.png")).unwrap();
        },
        "train/a/deep.png: whole file: expected 8 bits a channel (data.channels = 3 or 1 converts it), got 16",
    );
    let empty = tempfile::tempdir().unwrap();
    assert!(message(DatasetName::ImageFolder, empty.path()).contains("expected images (PNG, JPEG"));
}

#[test]
fn a_pipe_among_images_is_refused_and_does_not_block() {
    let folder = image_folder();
    let pipe = folder.path().join("train/a/pipe.png");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let message = message(DatasetName::ImageFolder, folder.path());
    assert!(message.contains("pipe.png: whole file: expected a regular file"), "{message}");
}
