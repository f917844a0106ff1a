//! `ddpm decompose --checkpoint`: the JSON adds up, the table says what is what, and what does not fit is refused in one line.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{TINY, ddpm, set};
use ddpm_data::ImageShape;
use ddpm_data::picture::write_png_folder;
use serde_json::Value;
use std::path::Path;

/// Trains a tiny digits network in `folder/run`.
fn train(folder: &Path, run: &str, changes: &[&str]) -> String {
    let changes = set(&[&TINY[..], &["train.steps=4", "train.checkpoint_every=4"], changes].concat());
    ddpm(folder).args(["train", "--config", "digits", "--run", run]).args(changes).assert().success();
    format!("{run}/checkpoints/latest")
}

const FEW: [&str; 4] = ["--max-images", "12", "--levels", "5"];

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output =
        ddpm(folder).arg("decompose").args(arguments).args(FEW).args(["--json", "-"]).assert().success();
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

#[test]
fn a_network_is_decomposed_by_every_floor_and_misfits_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let own = train(folder, "own", &[]);
    let better = train(folder, "better", &["train.seed=1"]);
    let cosine = train(folder, "cosine", &["diffusion.schedule={kind=\"cosine\",train_steps=1000}"]);

    let value = json(folder, &["--checkpoint", &own, "--data", "digits", "--steps", "20"]);
    let number = |key: &str| value[key].as_f64().unwrap_or_else(|| panic!("{key}: {}", value[key]));
    let sum: f64 = ["l_t_nats", "discretization_nats", "training_nats", "info_nats", "l_0_nats"]
        .map(number)
        .iter()
        .sum();
    assert!((number("vlb_bits_per_dim") * 64.0 * std::f64::consts::LN_2 / sum - 1.0).abs() < 1e-10);
    let total = number("init_nats") + number("discretization_nats") + number("training_nats");
    assert!((number("total_nats") / total - 1.0).abs() < 1e-10);
    assert_eq!((&value["floor"], &value["variance"]), (&"empirical-training".into(), &"fixed-large".into()));
    assert_eq!(
        (&value["schedule"], &value["steps"], &value["dim"]),
        (&"linear".into(), &20.into(), &64.into())
    );
    assert!(number("quadrature_error_nats") >= 0.0 && number("vlb_continuum_gap_nats").is_finite());
    assert_eq!(value["per_level"].as_array().unwrap().len(), 20);
    assert!(value["per_level"][0]["training_nats"].is_null() && value["per_level"][0]["t"] == 50);
    assert_eq!(value["classical"]["w2_init_kind"], "gaussian-moments");
    for (name, field) in value["intervals"].as_object().unwrap() {
        let ends: Vec<f64> = serde_json::from_value(field.clone()).unwrap();
        assert!(
            ends[0] <= ends[1] && number(name) >= ends[0] - 1e-9 && number(name) <= ends[1] + 1e-9,
            "{name}"
        );
    }
    let measured = &value["network"]["measured"];
    assert_eq!((&measured["grey_levels"], &measured["training_set"]), (&17.into(), &1500.into()));
    assert_eq!(measured["flips"], false);
    assert_eq!(value["advice"].as_array().unwrap().len(), 3);

    let arguments = ["--checkpoint", &own, "--data", "digits", "--steps", "20", "--reference", &better];
    let by_reference = json(folder, &[&arguments[..], &["--report", "page"]].concat());
    assert_eq!(by_reference["floor"], "reference");
    assert_eq!(by_reference["network"]["floors"].as_array().unwrap().len(), 3);
    let html = std::fs::read_to_string(folder.join("page/index.html")).unwrap();
    for section in [
        "The terms",
        "Memorization",
        "Variational bound and its parts",
        "Which schedule?",
        "Consistency checks",
    ] {
        assert!(html.contains(section), "{section}");
    }
    let shown: Value =
        serde_json::from_slice(&std::fs::read(folder.join("page/report.json")).unwrap()).unwrap();
    assert_eq!((&shown["result"], shown["slopes"].as_array().unwrap().len()), (&by_reference, 3));
    // The same noise, whatever else is measured.
    assert_eq!(by_reference["network"]["levels"][0]["train"], value["network"]["levels"][0]["train"]);

    let text = ddpm(folder)
        .args([
            "decompose",
            "--checkpoint",
            &own,
            "--data",
            "digits",
            "--steps",
            "10",
            "--variance",
            "analytic",
        ])
        .args(FEW)
        .assert()
        .success();
    let text = String::from_utf8(text.get_output().stdout.clone()).unwrap();
    for part in [
        "1. With 10",
        "2. ",
        "3. Of the total",
        "empirical-lower-bound",
        "bits/dim",
        "Memorization",
        "at most log n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }

    let refused = |arguments: &[&str], expected: &str| {
        let output = ddpm(folder).arg("decompose").args(arguments).assert().code(2);
        let text = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        assert!(text.contains(expected) && text.trim_end().lines().count() == 1, "{expected}: {text}");
    };
    let base = ["--checkpoint", own.as_str(), "--data", "digits"];
    let with = |more: &[&'static str]| [&base[..], more].concat();
    refused(&["--checkpoint", &own], "--data");
    refused(&["--checkpoint", "nowhere", "--data", "digits"], "nowhere");
    refused(
        &["--checkpoint", &own, "--data", "digits", "--reference", &cosine],
        "another noise schedule (cosine",
    );
    refused(&with(&["--steps", "1"]), "--steps must be at least 2");
    refused(&with(&["--steps", "2000"]), "1000 training levels, got 2000");
    refused(&with(&["--levels", "1"]), "--levels must be 0 (all) or at least 2, got 1");
    refused(&with(&["--repeats", "0"]), "--repeats must be at least 1");
    refused(&with(&["--max-images", "4", "--variance", "analytic"]), "at least 8");
    refused(&with(&["--variance", "learned-range"]), "fixed-small, fixed-large or analytic");
    refused(&with(&["--sampler", "ddim"]), "ddim");
    refused(&with(&["--perturb", "0.1"]), "--perturb");
    refused(&with(&["--schedule", "cosine"]), "--schedule");
    refused(&["--target", "t.json", "--data", "digits"], "--target");

    // Pictures of another shape, and pictures without labels for a class-conditional network.
    for (name, side) in [("large", 12), ("small", 8)] {
        let shape = ImageShape::new(1, side, side);
        let bytes: Vec<u8> = (0..4 * shape.dimension()).map(|k| (7 * k) as u8).collect();
        write_png_folder(folder.join(name).join("train"), &bytes, shape, 0).unwrap();
    }
    let conditional = train(folder, "conditional", &["model.num_class_embeds=11"]);
    refused(&["--checkpoint", &own, "--data", "image-folder", "--data-dir", "large"], "1x12x12, but");
    refused(&["--checkpoint", &conditional, "--data", "image-folder", "--data-dir", "small"], "needs labels");
    refused(
        &["--checkpoint", &own, "--data", "digits", "--reference", &conditional],
        "told the same classes",
    );
    let by_class = json(folder, &["--checkpoint", &conditional, "--data", "digits", "--steps", "10"]);
    assert_eq!(by_class["network"]["measured"]["class_conditional"], true);
    assert!(by_class["network"]["checks"]["log_n_nats"].as_f64().unwrap() < 160f64.ln());
    // Without held-out images only what training images say is left.
    let alone = json(folder, &["--checkpoint", &own, "--data", "image-folder", "--data-dir", "small"]);
    assert!(
        alone["network"].get("training").is_none() && alone["network"]["levels"][0].get("held_out").is_none()
    );
}
