//! `ddpm decompose --checkpoint` of networks on vectors: the ideal denoiser is known, so that nothing stands in its place.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::ddpm;
use serde_json::Value;
use std::path::Path;

fn train(folder: &Path, preset: &str, steps: u32) -> String {
    let steps = format!("train.steps={steps}");
    let run =
        ["train", "--config", preset, "--run", preset, "--set", &steps, "--set", "train.warmup_steps=1"];
    ddpm(folder).args(run).assert().success();
    format!("{preset}/checkpoints/latest")
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = ddpm(folder).arg("decompose").args(arguments).args(["--json", "-"]).assert().success();
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

#[test]
fn a_network_on_vectors_has_its_own_training_error_and_w2() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let trained = train(folder, "gmm2d-ddpm", 800);
    let less = {
        let untrained = ["--set", "train.steps=2", "--run", "untrained", "--set", "train.warmup_steps=1"];
        ddpm(folder).args(["train", "--config", "gmm2d-ddpm"]).args(untrained).assert().success();
        "untrained/checkpoints/latest"
    };
    let arguments = ["--checkpoint", &trained, "--steps", "20", "--w2", "--samples", "1500"];
    let value = json(folder, &arguments);
    let number = |value: &Value, key: &str| value[key].as_f64().unwrap_or_else(|| panic!("{key}: {value}"));
    let total =
        number(&value, "init_nats") + number(&value, "discretization_nats") + number(&value, "training_nats");
    assert!((number(&value, "total_nats") / total - 1.0).abs() < 1e-9);
    // No floor, and an interval of the measured term.
    assert!(value.get("floor").is_none() && value["stderr"]["training_nats"].as_f64().unwrap() > 0.0);
    assert_eq!((&value["steps"], &value["dim"]), (&20.into(), &2.into()));
    let levels: f64 = value["per_level"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|level| level["training_nats"].as_f64())
        .sum();
    assert!((levels / number(&value, "training_nats") - 1.0).abs() < 1e-9);
    // All eight combinations of errors.
    let cells = value["w2_ablation"]["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 8);
    let other = json(folder, &["--checkpoint", less, "--steps", "20"]);
    let [few, many] = [&other, &value].map(|value| number(value, "training_nats"));
    assert!(few > 3.0 * many, "{few} {many}");
    assert!(
        (number(&other, "discretization_nats") / number(&value, "discretization_nats") - 1.0).abs() < 1e-9
    );

    // Samples of a flow, and the page.
    let flow = ["--checkpoint", &trained, "--steps", "8", "--sampler", "ddim", "--w2", "--samples", "500"];
    let value = json(folder, &flow);
    assert!(value.get("total_nats").is_none() && value["sampler"] == "ddim");
    let page = [&arguments[..], &["--report", "page"]].concat();
    ddpm(folder).arg("decompose").args(page).assert().success();
    let html = std::fs::read_to_string(folder.join("page/index.html")).unwrap();
    assert!(html.contains("One error at a time") && html.contains("The terms"));

    let refused = |arguments: &[&str], expected: &str| {
        let output = ddpm(folder).arg("decompose").args(arguments).assert().code(2);
        let text = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        assert!(text.contains(expected) && text.trim_end().lines().count() == 1, "{expected}: {text}");
    };
    let checkpoint = ["--checkpoint", trained.as_str()];
    let with = |more: &[&'static str]| [&checkpoint[..], more].concat();
    refused(&with(&["--sampler", "ddim"]), "--w2");
    refused(&with(&["--data", "digits"]), "--data");
    refused(&with(&["--step-errors", "4"]), "--step-errors");
    refused(&with(&["--samples", "50"]), "without --w2");
    refused(&with(&["--steps", "1"]), "at least 2");
    refused(&with(&["--steps", "5", "--all", "--json", "-"]), "--all");
    refused(&with(&["--sampler", "ddim", "--w2", "--images", "50"]), "--images");
    refused(&with(&["--sampler", "ddim", "--w2", "--all"]), "--all");
    refused(&with(&["--sampler", "langevin", "--w2"]), "stays at one");
    refused(&with(&["--perturb", "0.1"]), "--perturb");
    std::fs::remove_dir_all(folder.join("untrained/checkpoints/latest/state")).unwrap();
    refused(&["--checkpoint", less, "--steps", "5"], "config.toml");
}
