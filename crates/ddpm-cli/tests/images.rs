//! Runs on folders of images of any size and kind: what is read, what is skipped, and what is noticed when they change.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{TINY, ddpm, set};
use predicates::prelude::*;
use predicates::str::contains;
use std::fs;
use std::path::Path;

const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ddpm-data/tests/golden/pictures");

/// Pictures of many formats, two classes.
fn pictures(folder: &Path) {
    for (class, names) in [
        ("a", &["cmyk.jpe", "colour.bmp", "grey.jfif", "grey16.png", "lossy.webp", "turned6.jpg"][..]),
        ("b", &["palette.png", "raw.tiff", "transparent.png", "two-frames.gif"]),
    ] {
        let to = folder.join("pictures").join(class).join("nested");
        fs::create_dir_all(&to).unwrap();
        for name in names {
            fs::copy(Path::new(PICTURES).join(name), to.join(name)).unwrap();
        }
    }
}

fn train(folder: &Path, run: &str, changes: &[&str], more: &[&str]) -> assert_cmd::assert::Assert {
    let base = [
        "data.name=\"image-folder\"",
        "model.sample_size=8",
        "model.in_channels=3",
        "model.out_channels=3",
        "train.steps=2",
        "train.batch_size=4",
        "train.sample_every=0",
        "train.validate_every=0",
    ];
    let changes = set(&[&TINY[..], &base, changes].concat());
    ddpm(folder)
        .args(["train", "--config", "digits", "--run", run, "--data-dir", "pictures"])
        .args(more)
        .args(changes)
        .assert()
}

const FITTED: [&str; 3] = ["data.image_size=8", "data.resize=\"cover-crop\"", "data.channels=3"];

#[test]
fn any_pictures_train_and_a_change_between_two_parts_of_a_run_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    pictures(dir);
    // The first misfit is named, with the keys that mend it.
    train(dir, "plain", &[], &[]).code(2).stderr(contains("data.channels").or(contains("data.image_size")));
    train(dir, "run", &FITTED, &[])
        .success()
        .stderr(contains("10 training and 0 held-out images"))
        .stderr(contains("1 GIF file: the first frame of each is read"));
    let config = fs::read_to_string(dir.join("run/config.toml")).unwrap();
    assert!(config.contains("resize = \"cover-crop\"") && config.contains("image_size = 8"), "{config}");

    // The same images in shards or elsewhere would do; other images would not, nor another conversion.
    let longer = [&FITTED[..], &["train.steps=3"]].concat();
    fs::copy(dir.join("pictures/a/nested/colour.bmp"), dir.join("pictures/b/new.bmp")).unwrap();
    train(dir, "run", &longer, &["--resume"])
        .code(2)
        .stderr(contains(
            "the training images changed since run began: 10 images then, 11 now (class b: 4 then, 5 now)",
        ))
        .stderr(contains("run/images.json"));
    fs::remove_file(dir.join("pictures/b/new.bmp")).unwrap();
    let padded = ["data.image_size=8", "data.resize=\"fit-pad\"", "data.channels=3", "train.steps=3"];
    train(dir, "run", &padded, &["--resume"]).code(2).stderr(contains("data.resize"));
    let streamed = [&longer[..], &["data.stream=true"]].concat();
    train(dir, "run", &streamed, &["--resume"]).success().stderr(contains("resumed after step 2"));

    // A picture that was cut stops the run by name, or is skipped by name.
    let cut = dir.join("pictures/a/nested/turned6.jpg");
    let whole = fs::read(&cut).unwrap();
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    train(dir, "cut", &FITTED, &[]).code(2).stderr(contains("turned6.jpg"));
    let skip = [&FITTED[..], &["data.on_error=\"skip\""]].concat();
    train(dir, "cut", &skip, &[])
        .success()
        .stderr(contains("1 image skipped (data.on_error = \"skip\"): "))
        .stderr(contains("turned6.jpg"));
}

#[test]
fn one_image_and_keys_without_effect_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    fs::create_dir_all(dir.join("pictures")).unwrap();
    fs::copy(Path::new(PICTURES).join("colour.png"), dir.join("pictures/one.png")).unwrap();
    train(dir, "one", &FITTED, &[]).code(2).stderr(contains("1 training image; expected at least 2"));
    assert!(!dir.join("one").exists());
    for (change, part) in [
        ("data.image_size=8", "data.image_size has no effect on digits"),
        ("data.resize=\"fit-pad\"", "data.resize: expected data.image_size beside it"),
        ("data.resize=\"stretch\"", "data.resize"),
        ("data.channels=2", "data.channels: expected 1 (grey) or 3 (RGB), got 2"),
        ("data.image_size=0", "data.image_size: expected sides from 1 to 16384"),
        ("data.on_error=\"skip\"", "data.on_error has no effect on digits"),
    ] {
        ddpm(dir)
            .args(["config", "check", "digits", "--set", change])
            .assert()
            .code(2)
            .stderr(contains(part));
    }
}
