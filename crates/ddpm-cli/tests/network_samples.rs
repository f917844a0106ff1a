//! `ddpm decompose --checkpoint` on the samples of a network: the split of their distance, and what the steps of a sampler cost.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{TINY, ddpm, set};
use serde_json::Value;
use std::path::Path;

/// Trains a tiny digits network in `folder/run`.
fn train(folder: &Path) -> &'static str {
    let changes = set(&[&TINY[..], &["train.steps=4", "train.checkpoint_every=4"]].concat());
    ddpm(folder).args(["train", "--config", "digits", "--run", "run"]).args(changes).assert().success();
    "run/checkpoints/latest"
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = ddpm(folder).arg("decompose").args(arguments).args(["--json", "-"]).assert().success();
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

#[test]
fn samples_and_steps_of_a_network_are_split_and_misfits_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let checkpoint = train(folder);
    let base =
        ["--checkpoint", checkpoint, "--data", "digits", "--extractor", "pixels", "--fine-steps", "20"];

    // A sampler without divergences: the samples alone.
    let ddim =
        [&base[..], &["--sampler", "ddim", "--steps", "5", "--samples", "60", "--step-errors", "6"]].concat();
    let value = json(folder, &ddim);
    assert!(value.get("total_nats").is_none() && value["sampler"] == "ddim");
    let split = &value["sample_split"];
    let number = |name: &str| split[name]["raw"].as_f64().unwrap();
    let sum = ["floor", "training", "initialization", "discretization"].map(number).iter().sum::<f64>();
    assert!((sum / number("total") - 1.0).abs() < 1e-9, "{split}");
    let other = &split["other_order"];
    let other = ["discretization", "initialization"].map(|name| other[name]["raw"].as_f64().unwrap());
    assert!((number("floor") + number("training") + other[0] + other[1] - number("total")).abs() < 1e-9);
    // 64 pixels and 60 samples: too few for a Fréchet distance.
    assert_eq!((&split["metric"], &split["features"]), (&"kid".into(), &64.into()));
    assert_eq!((&split["start_images"], &split["reference_images"]), (&297.into(), &1500.into()));
    assert_eq!(split["reference_was_trained_on"], true);
    let errors = &value["step_errors"];
    let entries = errors["entries"].as_array().unwrap();
    let shares: f64 = entries.iter().map(|entry| entry["share"].as_f64().unwrap()).sum();
    assert!(entries.len() == 5 && (shares - 1.0).abs() < 1e-4, "{errors}");
    assert!(errors["sum_residual"].as_f64().unwrap() < 1e-5, "{errors}");
    assert_eq!(
        (&errors["steps"], &errors["fine_steps"], &errors["order"]),
        (&5.into(), &21.into(), &1.into())
    );
    let placed: Vec<u64> =
        errors["placement"].as_array().unwrap().iter().map(|level| level["t"].as_u64().unwrap()).collect();
    assert!(placed.len() == 5 && placed[0] == 1000 && placed[4] == 1, "{placed:?}");
    assert!(placed.windows(2).all(|pair| pair[0] > pair[1]), "{placed:?}");

    // The same numbers again, and with another batch size.
    assert_eq!(json(folder, &ddim), value);
    let batches = json(folder, &[&ddim[..], &["--sample-batch", "7"]].concat());
    let again = batches["sample_split"]["total"]["raw"].as_f64().unwrap();
    assert!((again / number("total") - 1.0).abs() < 1e-3, "{again} {}", number("total"));

    // The ancestral sampler has divergences as well; its draws are coupled.
    let few = ["--max-images", "12", "--levels", "4", "--steps", "5", "--samples", "60"];
    let value = json(folder, &[&base[..], &few].concat());
    assert!(value["total_nats"].is_number() && value["sample_split"]["sampler"] == "ddpm");

    // The page, with both.
    let page = [&ddim[..], &["--report", "page"]].concat();
    let output = ddpm(folder).arg("decompose").args(&page).assert().success();
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    for part in ["kernel distance", "initialization", "Where the sampler errs", "would cost the same"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let html = std::fs::read_to_string(folder.join("page/index.html")).unwrap();
    assert!(html.contains("The distance of the samples") && html.contains("Where the sampler errs"));

    let refused = |more: &[&str], expected: &str| {
        let output = ddpm(folder).arg("decompose").args(base).args(more).assert().code(2);
        let text = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        assert!(text.contains(expected) && text.trim_end().lines().count() == 1, "{expected}: {text}");
    };
    refused(&["--samples", "39"], "--samples must be at least 40");
    refused(&["--samples", "60", "--steps", "30"], "--fine-steps must be at least 2 and the 30 steps");
    refused(&["--samples", "60", "--steps", "5", "--sampler", "ode-rk45"], "ode-heun");
    refused(&["--step-errors", "4", "--steps", "5"], "deterministic");
    refused(&["--step-errors", "4", "--steps", "5", "--sampler", "ddim", "--eta", "0.5"], "ddim with noise");
    refused(&["--steps", "5", "--sampler", "ddim"], "without --samples or --step-errors");
    refused(&["--samples", "60", "--sampler", "ddim", "--levels", "5"], "--levels");
}
