//! `ddpm eval` through the binary: extractors, files of features, distances, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{TINY, ddpm, set};
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

/// The density of a mixture by its ideal denoiser, through the binary: exact, by random probes, and what is refused.
#[test]
fn the_likelihood_of_a_mixture_is_its_own_density() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (weights, means, stds) = ([0.3, 0.7], [[-1.5, 0.0], [1.0, 0.5]], [0.25, 0.4]);
    let target = serde_json::json!({"kind": "mixture", "weights": weights, "means": means, "stds": stds});
    std::fs::write(dir.join("m.json"), target.to_string()).unwrap();
    tch::manual_seed(3);
    let n = 200;
    let left = Tensor::rand([n, 1], (Kind::Double, Device::Cpu)).lt(0.3).to_kind(Kind::Double);
    let of = |k: usize| {
        Tensor::from_slice(&means[k]) + Tensor::randn([n, 2], (Kind::Double, Device::Cpu)) * stds[k]
    };
    let x = &left * of(0) + (1.0 - &left) * of(1);
    ddpm_nets::tensor_file::write(&dir.join("x.safetensors"), [("x", &x)]).unwrap();
    let rows: Vec<Vec<f64>> = Vec::try_from(&x).unwrap();
    let density = |row: &[f64], k: usize| {
        let variance = stds[k] * stds[k];
        let squares: f64 = row.iter().zip(means[k]).map(|(x, mean)| (x - mean).powi(2)).sum();
        weights[k] * (-0.5 * squares / variance).exp() / (std::f64::consts::TAU * variance)
    };
    let exact: f64 =
        rows.iter().map(|row| -(density(row, 0) + density(row, 1)).ln()).sum::<f64>() / rows.len() as f64;

    let nll = ["nll", "--target", "m.json", "--points", "x.safetensors"];
    let found = json(dir, &nll);
    let number = |found: &Value, key: &str| found[key].as_f64().unwrap();
    assert!((number(&found, "nats") - exact).abs() < 0.01, "{found}, expected {exact}");
    let bits = number(&found, "nats") / (2.0 * std::f64::consts::LN_2);
    assert!((number(&found, "bits_per_dim") - bits).abs() < 1e-12);
    assert_eq!(
        (&found["metric"], &found["n"], number(&found, "probe_stderr")),
        (&"nll".into(), &200.into(), 0.0)
    );
    let interval = [0, 1].map(|end| found["interval"][end].as_f64().unwrap());
    assert!(interval[0] < exact && exact < interval[1], "{found}");

    let probed = json(dir, &[&nll[..], &["--probes", "8"]].concat());
    let difference = (number(&probed, "nats") - number(&found, "nats")).abs();
    assert!(difference < 4.0 * number(&probed, "probe_stderr") && difference > 0.0, "{probed}");
    assert!(json(dir, &[&nll[..], &["--probes", "1"]].concat())["probe_stderr"].is_null());
    // A schedule has more noise at its lowest level than 1e-5 of the process.
    let schedule = json(dir, &[&nll[..], &["--schedule", "linear"]].concat());
    assert!((number(&schedule, "nats") - exact).abs() < 0.05, "{schedule}");

    for (more, part) in [
        (&["--method", "vlb"][..], "--method vlb is for images"),
        (&["--rtol", "0"], "--rtol must be positive"),
        (&["--probes", "0"], "must be at least 1"),
        (&["--seed", "1"], "--seed"),
        (&["--data", "digits"], "cannot be used with"),
    ] {
        refused(dir, &[&nll[..], more].concat(), part);
    }
    features(dir, "wide.safetensors", &Tensor::zeros([3, 5], (Kind::Float, Device::Cpu)));
    features(dir, "nan.safetensors", &Tensor::full([3, 2], f64::NAN, (Kind::Float, Device::Cpu)));
    features(dir, "whole.safetensors", &Tensor::zeros([3, 2], (Kind::Int64, Device::Cpu)));
    features(dir, "one.safetensors", &Tensor::zeros([1, 2], (Kind::Float, Device::Cpu)));
    for (file, part) in [
        ("wide.safetensors", "must be [n, 2]"),
        ("nan.safetensors", "NaN or infinity"),
        ("whole.safetensors", "f32 or f64"),
        ("one.safetensors", "at least 2 rows"),
        ("missing.safetensors", "missing.safetensors"),
    ] {
        refused(dir, &["nll", "--target", "m.json", "--points", file], part);
    }
}

/// A network that predicts no noise leaves y = x_t/alpha where it is, so that its density is the prior's: bits = log2(S sqrt(2 pi)) + log2(K/2) for
/// S = 1/alpha_T much larger than the data.
#[test]
fn the_likelihood_of_an_untrained_network_is_that_of_its_prior() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let changes =
        set(&[&TINY[..], &["train.steps=1", "train.learning_rate=1e-12", "train.warmup_steps=0"]].concat());
    ddpm(dir).args(["train", "--config", "digits", "--run", "run"]).args(&changes).assert().success();
    let alpha_bar: f64 = (0..1000).map(|t| 1.0 - (1e-4 + (0.02 - 1e-4) * f64::from(t) / 999.0)).product();
    let expected = (std::f64::consts::TAU / alpha_bar).sqrt().log2() + 8.5f64.log2();
    let images = ["nll", "--checkpoint", "run/checkpoints/latest", "--data", "digits", "--num", "4"];
    let found = json(dir, &images);
    assert!(
        (found["bits_per_dim"].as_f64().unwrap() - expected).abs() < 2e-3,
        "{found}, expected {expected}"
    );
    assert_eq!((&found["n"], &found["dim"], &found["probes"]), (&4.into(), &64.into(), &2.into()));
    // The parts of the bound add up.
    let bound = json(dir, &[&images[..], &["--method", "vlb"]].concat());
    let part = |key: &str| bound["parts"][key].as_f64().unwrap();
    let nats = bound["nats"].as_f64().unwrap();
    assert!((part("prior") + part("denoising") + part("decoder") - nats).abs() < 1e-9 * nats, "{bound}");
    refused(dir, &[&images[..], &["--points", "x"]].concat(), "cannot be used with");
    refused(
        dir,
        &["nll", "--checkpoint", "run/checkpoints/latest", "--data", "digits", "--probes", "5000"],
        "at most 1000",
    );
}
