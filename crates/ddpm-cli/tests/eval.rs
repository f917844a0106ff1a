//! `ddpm eval` through the binary: extractors, files of features, distances, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::ddpm;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use tch::{Device, Kind, Tensor};

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = ddpm(folder).arg("eval").args(arguments).args(["--json", "-"]).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(folder: &Path, arguments: &[&str], part: &str) {
    ddpm(folder)
        .arg("eval")
        .args(arguments)
        .assert()
        .code(2)
        .stderr(contains(part))
        .stderr(contains("panicked").not());
}

fn features(folder: &Path, name: &str, values: &Tensor) {
    ddpm_nets::tensor_file::write(&folder.join(name), [("features", values)]).unwrap();
}

#[test]
fn data_sets_and_files_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    for (split, file) in [("train", "train.safetensors"), ("held-out", "held-out.safetensors")] {
        let arguments = [
            "eval",
            "features",
            "--data",
            "digits",
            "--split",
            split,
            "--extractor",
            "pixels",
            "--out",
            file,
        ];
        ddpm(dir).args(arguments).assert().success();
    }
    let both = ["--features-a", "train.safetensors", "--features-b", "held-out.safetensors"];
    let same = ["--features-a", "train.safetensors", "--features-b", "train.safetensors"];
    let with = |command: &'static str, sets: [&'static str; 4]| json(dir, &[&[command][..], &sets].concat());
    let found = with("fid", both);
    assert_eq!((&found["metric"], &found["dim"]), (&"frechet-distance".into(), &64.into()));
    assert_eq!((&found["n_a"], &found["n_b"]), (&1500.into(), &297.into()));
    // 297 images are fewer than 5 for each of 64 pixels.
    assert!(found["corrected"].is_null() && found["interval"].is_null(), "{found}");
    let (value, reference) = (found["value"].as_f64().unwrap(), found["reference_value"].as_f64().unwrap());
    // Halves of the digits, whose classes come in turn, hold all classes.
    assert!(reference > 0.3 * value && reference < 5.0 * value, "{found}");
    let none = with("fid", same);
    assert!(none["value"].as_f64().unwrap() < 1e-6 * value && none["interval"].is_array(), "{none}");
    assert_eq!(with("kid", both)["metric"], "kid");
    let overlap = with("precision-recall", same);
    assert_eq!((&overlap["precision"], &overlap["coverage"]), (&1.0.into(), &1.0.into()));
    refused(dir, &["is", "--features-a", "train.safetensors"], "has no tensor `logits`");

    // A folder of pictures against the data set, noise being far from it.
    std::fs::create_dir(dir.join("noise")).unwrap();
    for k in 0..20u8 {
        let planes: Vec<u8> = (0..64u32).map(|i| ((i * 7919 + u32::from(k) * 104_729) % 251) as u8).collect();
        let shape = ddpm_data::ImageShape::new(1, 8, 8);
        let picture = ddpm_data::picture::Picture::from_planes(&planes, shape).unwrap();
        picture.write_png(dir.join(format!("noise/{k}.png"))).unwrap();
    }
    let noise = json(
        dir,
        &["fid", "--images", "noise", "--data", "digits", "--split", "held-out", "--extractor", "pixels"],
    );
    assert!(noise["value"].as_f64().unwrap() > 5.0 * value, "{noise}");
}

#[test]
fn features_and_modules_that_do_not_fit_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let x = |n: i64, d: i64| Tensor::arange(n * d, (Kind::Float, Device::Cpu)).reshape([n, d]);
    features(dir, "a.safetensors", &x(8, 3));
    features(dir, "wide.safetensors", &x(8, 4));
    features(dir, "one.safetensors", &x(1, 3));
    features(dir, "nan.safetensors", &(x(8, 3) * f64::NAN));
    features(dir, "flat.safetensors", &x(8, 3).reshape([24]));
    for (other, part) in [
        ("wide.safetensors", "4 features an image, --features-a has 3"),
        ("one.safetensors", "at least 2 rows, got 1"),
        ("nan.safetensors", "NaN or infinity"),
        ("flat.safetensors", "must be [n, d]"),
        ("missing.safetensors", "missing.safetensors"),
    ] {
        refused(dir, &["fid", "--features-a", "a.safetensors", "--features-b", other], part);
    }
    std::fs::write(dir.join("broken.pt"), "not a module").unwrap();
    for (extractor, part) in [
        ("torchscript:broken.pt", "not a TorchScript module"),
        ("torchscript:missing.pt", "no such file"),
        ("classifier:missing", "missing"),
        ("nothing", "expected inception, inception:FILE"),
    ] {
        refused(
            dir,
            &["features", "--data", "digits", "--extractor", extractor, "--out", "f.safetensors"],
            part,
        );
    }
    assert!(!dir.join("f.safetensors").exists());

    let Some(python) = ddpm_testkit::python("features_and_modules_that_do_not_fit_are_named") else { return };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/feature_modules.py");
    assert!(Command::new(python).arg(script).arg(dir).status().unwrap().success());
    let of = |extractor: &str, out: &str| {
        ddpm(dir)
            .args([
                "eval",
                "features",
                "--data",
                "digits",
                "--split",
                "held-out",
                "--extractor",
                extractor,
                "--out",
                out,
            ])
            .assert()
    };
    // The stand-in returns means of channels: of grey images in three equal channels.
    of("inception:inception.pt", "i.safetensors").success();
    let tensors = ddpm_nets::tensor_file::read(&dir.join("i.safetensors")).unwrap();
    assert_eq!((tensors["features"].size(), tensors["logits"].size()), (vec![297, 2048], vec![297, 10]));
    let first = tensors["features"].get(0);
    assert!((first.double_value(&[0]) - first.double_value(&[2])).abs() < 1e-6);
    assert_eq!(json(dir, &["is", "--features-a", "i.safetensors"])["metric"], "class-score");
    let own = json(dir, &["fid", "--features-a", "i.safetensors", "--features-b", "i.safetensors"]);
    // Another file than the published one makes no FID.
    assert_eq!(own["metric"], "frechet-distance");
    of("torchscript:mean.pt", "m.safetensors").success();
    of("torchscript:wrong_shape.pt", "w.safetensors")
        .code(2)
        .stderr(contains("must return features [100, d]"));
    of("torchscript:raises.pt", "w.safetensors").code(2).stderr(contains("does not take images"));
    of("inception:mean.pt", "w.safetensors").code(2).stderr(contains("has no output.weight"));
    assert!(!dir.join("w.safetensors").exists());
}
