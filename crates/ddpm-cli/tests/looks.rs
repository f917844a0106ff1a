//! Looking at a model while it trains changes nothing about it; nor does leaving its images on the disk.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{TINY, ddpm, set};
use ddpm_data::picture::{Picture, write_png_folder};
use ddpm_data::{DatasetName, ImageSet, Source};
use std::path::Path;

fn train(folder: &Path, run: &str, changes: &[&str]) {
    let mut command = ddpm(folder);
    command.args(["train", "--config", "digits", "--run", run]).args(set(&TINY)).args(set(changes));
    command.assert().success();
}

fn assert_same_model(folder: &Path, a: &str, b: &str) {
    for file in [
        "state/weights.safetensors",
        "state/optimizer.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
    ] {
        let bytes =
            |run: &str| std::fs::read(folder.join(run).join("checkpoints/latest").join(file)).unwrap();
        assert!(bytes(a) == bytes(b), "{file}");
    }
}

#[test]
fn pictures_and_held_out_losses_appear_and_training_takes_no_notice() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), "alone", &["train.steps=12"]);
    let looks = [
        "train.steps=12",
        "train.sample_every=6",
        "train.validate_every=4",
        "sample.preview_num=5",
        "sample.preview_steps=3",
        "eval.max_images=40",
    ];
    train(folder.path(), "watched", &looks);
    assert_same_model(folder.path(), "alone", "watched");

    let run = folder.path().join("watched");
    let mut pictures: Vec<_> = std::fs::read_dir(run.join("samples"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pictures.sort();
    assert_eq!(pictures, ["step-00000006.png", "step-00000012.png"]);
    let picture = |name: &str| Picture::read_png(run.join("samples").join(name)).unwrap();
    assert!(picture(&pictures[0]).pixels() != picture(&pictures[1]).pixels(), "the weights moved");

    let metrics = ddpm_train::read_metrics(&run.join("metrics.jsonl")).unwrap();
    let validated: Vec<u64> =
        metrics.iter().filter(|line| line.validation.is_some()).map(|line| line.step).collect();
    assert_eq!(validated, [4, 8, 12]);
    assert_eq!(metrics.iter().map(|line| line.step).collect::<Vec<_>>(), [4, 5, 8, 10, 12]);
    let validation = metrics[0].validation.as_ref().unwrap();
    let t: Vec<f64> = validation.levels.iter().map(|level| level.t).collect();
    assert_eq!(t, [50.0, 150.0, 250.0, 350.0, 450.0, 550.0, 650.0, 750.0, 850.0, 950.0]);
    // A network that has hardly begun predicts no noise: its error is the noise's variance.
    assert!((0.8..1.2).contains(&validation.loss), "{validation:?}");
    let events = std::fs::read_dir(&run)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("tfevents"));
    let events = std::fs::read(events.unwrap()).unwrap();
    for tag in [&b"validation/loss"[..], b"validation/t=0050", b"train/wait_share", b"samples"] {
        assert!(events.windows(tag.len()).any(|bytes| bytes == tag), "{}", String::from_utf8_lossy(tag));
    }
}

#[test]
fn images_on_the_disk_train_the_same_model_as_images_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let digits = ddpm_data::load(DatasetName::Digits, &Source::from_data_dir(None).unwrap()).unwrap();
    let write = |name: &str, images: &ImageSet| {
        write_png_folder(folder.path().join(name), images.pixels(), images.shape(), 0).unwrap();
    };
    write("data/train", &digits.train.first(70));
    write("data/test", &digits.train.first(20));
    let common = ["data.name=image-folder", "data.dir=data", "train.steps=9", "train.horizontal_flips=true"];
    train(folder.path(), "memory", &common);
    train(folder.path(), "disk", &[&common[..], &["data.stream=true", "train.validate_every=9"]].concat());
    assert_same_model(folder.path(), "memory", "disk");
    let metrics = ddpm_train::read_metrics(&folder.path().join("disk/metrics.jsonl")).unwrap();
    assert!(metrics.iter().all(|line| (0.0..1.0).contains(&line.wait_share)), "{metrics:?}");

    ddpm(folder.path())
        .args(["train", "--config", "digits", "--run", "refused", "--set", "data.stream=true"])
        .assert()
        .code(2)
        .stderr(predicates::str::contains("data.stream: digits is always held in memory"));
}
