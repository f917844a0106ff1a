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

    // The states on the sampler's own path, beside noised data.
    let own = ["--sampler", "ddim", "--steps", "6", "--own-path", "50", "--sample-batch", "20"];
    let value = json(folder, &[&base[..4], &own].concat());
    let path = &value["own_path"];
    let levels = path["levels"].as_array().unwrap();
    assert_eq!((levels.len(), &path["samples"], &path["images"]), (6, &50.into(), &50.into()));
    let at = |side: &str, key: &str| levels[0][side][key]["value"].as_f64().unwrap();
    // At the noisiest level both are noise: of variance 1, and its own prediction.
    for side in ["data", "path"] {
        assert!((at(side, "variance") - 1.0).abs() < 0.1, "{path}");
        assert_eq!(levels[0][side]["along_axes"].as_array().unwrap().len(), 4);
    }
    assert!(levels[5]["data"]["x0_variance"]["value"].as_f64().unwrap() > 0.0);

    // Eps divided by more than 1: the same start, other states.
    let scaled = json(folder, &[&base[..4], &own, &["--epsilon-scale", "1.1"]].concat());
    let other = &scaled["own_path"]["levels"];
    assert_eq!(other[0]["path"]["variance"], levels[0]["path"]["variance"]);
    assert_ne!(other[0]["path"]["squared_epsilon"], levels[0]["path"]["squared_epsilon"]);
    assert_ne!(other[5]["path"]["variance"], levels[5]["path"]["variance"]);

    // The page, with both.
    let page = [&ddim[..], &["--report", "page"]].concat();
    let output = ddpm(folder).arg("decompose").args(&page).assert().success();
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    for part in ["kernel distance", "initialization", "Where the sampler errs", "would cost the same"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let html = std::fs::read_to_string(folder.join("page/index.html")).unwrap();
    assert!(html.contains("The distance of the samples") && html.contains("Where the sampler errs"));

    // The recommended levels can be written, visited, measured, and sampled with.
    let written = [&ddim[..], &["--write-levels", "best.json"]].concat();
    let value = json(folder, &written);
    let levels: Value = serde_json::from_slice(&std::fs::read(folder.join("best.json")).unwrap()).unwrap();
    let zero_based: Vec<u64> = placed.iter().map(|t| t - 1).collect();
    assert_eq!(levels["timesteps"], Value::from(zero_based));
    let trial = &value["sample_split"]["trials"][0];
    let raw = |value: &Value, name: &str| value[name]["raw"].as_f64().unwrap();
    assert!(
        (raw(trial, "distance") + raw(trial, "gain") - raw(&value["sample_split"], "total")).abs() < 1e-9
    );
    let visited = ["--sampler", "ddim", "--samples", "60", "--visited", "best.json"];
    let again = json(folder, &[&base[..], &visited].concat());
    assert_eq!(again["steps"], 5);
    assert!((raw(&again["sample_split"], "total") - raw(trial, "distance")).abs() < 1e-9, "{again}");
    assert!(again["sample_split"].get("trials").is_none() && again["sample_split"]["grid"] == "chosen");
    let nats = ["--max-images", "12", "--levels", "4"];
    let by_nats = [&base[..4], &nats, &["--steps", "5", "--write-levels", "nats.json"]].concat();
    let advised = json(folder, &by_nats);
    // Other levels are measured, so that the curve between them is another one.
    let best = advised["network"]["advice"]["best_discretization_nats"].as_f64().unwrap();
    let variance = advised["network"]["advice"]["best_variance"].as_str().unwrap();
    let visited = ["--visited", "nats.json", "--variance", variance];
    let with = json(folder, &[&base[..4], &nats, &visited].concat());
    let got = with["discretization_nats"].as_f64().unwrap();
    assert!((got / best - 1.0).abs() < 0.1, "{got} {best}");
    assert_eq!(with["network"]["measured"]["chosen_levels"], true);
    assert!(with["advice"][0].as_str().unwrap().contains("5 chosen levels"), "{}", with["advice"]);
    for out in ["a.safetensors", "b.safetensors"] {
        let sample = ["sample", "--checkpoint", checkpoint, "--num", "2", "--sampler", "ddim", "--out", out];
        let levels = if out == "a.safetensors" { "--levels" } else { "--visited" };
        ddpm(folder).args(sample).args([levels, "best.json"]).assert().success();
    }
    let bytes = |name: &str| std::fs::read(folder.join(name)).unwrap();
    assert_eq!(bytes("a.safetensors"), bytes("b.safetensors"));
    std::fs::write(folder.join("t.json"), r#"{"kind":"gaussian","mean":[0.0],"var":[0.5]}"#).unwrap();
    std::fs::write(folder.join("snr.json"), r#"{"log_snr": [-9, 0, 4]}"#).unwrap();
    let target = ["sample", "--target", "t.json", "--process", "vp", "--sampler", "ode-heun", "--num", "5"];
    ddpm(folder).args(target).args(["--visited", "snr.json", "--out", "t.safetensors"]).assert().success();
    let bad = ["sample", "--target", "t.json", "--visited", "bad.json", "--out", "x.safetensors"];
    for (text, expected) in [
        (r#"{"timesteps": [0, 5]}"#, "timesteps[1] must be falling"),
        (r#"{"timesteps": [1000]}"#, "below the number of training levels"),
        (r#"{"log_snr": []}"#, "at least 1"),
        (r#"{"steps": [1]}"#, "expected {"),
        ("[1, 2]", "expected {"),
    ] {
        std::fs::write(folder.join("bad.json"), text).unwrap();
        let output = ddpm(folder).args(bad).assert().code(2);
        let error = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        assert!(error.contains(expected) && error.trim_end().lines().count() == 1, "{expected}: {error}");
    }
    ddpm(folder).args(bad).args(["--steps", "5"]).assert().code(2);

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
    refused(
        &["--own-path", "60", "--samples", "60", "--steps", "5", "--sampler", "ode-rk45"],
        "visit each level once",
    );
}
