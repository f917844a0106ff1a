//! Samples of a trained model beside real images: while it trains, from its checkpoints, and in the report of its run.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{ddpm, files, on_one_thread, set};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// A network that learns the digits in seconds.
const SMALL: [&str; 8] = [
    "model.block_out_channels=[16,32]",
    "model.norm_num_groups=8",
    "train.batch_size=64",
    "train.warmup_steps=20",
    "train.checkpoint_every=0",
    "train.log_every=50",
    "sample.num=4",
    "eval.levels=4",
];
const MEASURED: [&str; 12] = [
    "train.steps=300",
    "train.evaluate_every=100",
    "train.keep_checkpoints=1",
    "quality.training_samples=200",
    "sample.preview_steps=20",
    "sample.steps=50",
    "quality.samples=300",
    "quality.steps=20",
    "quality.likelihood_images=2",
    "quality.split_samples=160",
    "quality.split_steps=3",
    "quality.split_fine_steps=30",
];

fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = ddpm(folder).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}");
    text
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn distances(run: &Path) -> Vec<(u64, f64)> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| Some((line["step"].as_u64()?, line["distance"].as_f64()?))).collect()
}

/// One training: its distances fall, the best checkpoint stays, and what is measured of its samples is ordered as it must be.
#[test]
fn the_distance_falls_with_training_and_the_report_has_what_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let settings = set(&[&SMALL[..], &MEASURED].concat());
    let mut reproduce: Vec<&str> = vec!["reproduce", "digits", "--run", "run"];
    reproduce.extend(settings.iter().map(String::as_str));
    run(dir, &reproduce);
    let root = dir.join("run");

    let measured = distances(&root);
    assert_eq!(measured.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [100, 200, 300]);
    assert!(measured[2].1 < 0.8 * measured[0].1, "{measured:?}");
    let best = json(&root.join("checkpoints/best.json"));
    let smallest = measured.iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    assert_eq!((best["step"].as_u64(), best["distance"].as_f64()), (Some(smallest.0), Some(smallest.1)));
    let link = fs::read_link(root.join("checkpoints/best")).unwrap();
    assert_eq!(link, Path::new(&format!("step-{:08}", smallest.0)));
    assert!(root.join("checkpoints/best/unet/config.json").is_file());

    let quality = json(&root.join("report/quality.json"));
    let value = |key: &str| quality[key]["corrected"].as_f64().unwrap();
    assert_eq!(quality["distance"]["metric"], "frechet-distance");
    let [low, high] = [0, 1].map(|end| quality["distance"]["interval"][end].as_f64().unwrap());
    assert!(low < value("distance") && value("distance") < high, "{quality}");
    assert!(value("distance") < 0.5 * value("noise"), "{quality}");
    assert!(quality["classifier_accuracy"][1].as_f64().unwrap() > 0.85, "{quality}");
    assert_eq!(quality["likelihood"]["n"], 2);

    // The distance in parts: a network sampled in 3 steps errs by them.
    let split = json(&root.join("report/split.json"));
    let part = |name: &str, which: &str| split[name][which].as_f64().unwrap();
    let names = ["floor", "training", "initialization", "discretization"];
    for which in ["raw", "corrected"] {
        let sum: f64 = names.iter().map(|name| part(name, which)).sum();
        assert!((sum / part("total", which) - 1.0).abs() < 1e-9, "{split}");
    }
    assert_eq!(split["metric"], "frechet-distance");
    assert_eq!(split["cells"].as_array().unwrap().len(), 5);
    // 300 steps of training: that is the error, and it is resolved.
    assert!(split["training"]["interval"][0].as_f64().unwrap() > 0.0, "{split}");
    assert!(part("initialization", "corrected").abs() < 0.2 * part("training", "corrected"), "{split}");
    let page = fs::read_to_string(root.join("report/decomposition/index.html")).unwrap();
    assert!(page.contains("The distance of the samples") && page.contains("discretization"), "{page}");

    let page = fs::read_to_string(root.join("report/index.html")).unwrap();
    let neighbours = fs::read_to_string(root.join("report/neighbours/index.html")).unwrap();
    assert!(page.contains("neighbours/index.html") && neighbours.contains("Nearest training images"));
    assert!(page.contains("Quality of the samples") && page.contains("Class score"));

    // A second time nothing is left to do, and the measurement is the same in another folder.
    let text = run(dir, &reproduce);
    assert!(!text.contains("train:") && !text.contains("sample:"), "{text}");

    // The averaged weights are nearer to the digits than the raw ones.
    let raw = dir.join("raw");
    let latest = root.join("checkpoints/latest");
    for part in ["unet", "scheduler"] {
        fs::create_dir_all(raw.join(part)).unwrap();
    }
    for file in ["model_index.json", "unet/config.json", "scheduler/scheduler_config.json"] {
        fs::copy(latest.join(file), raw.join(file)).unwrap();
    }
    let weights = "unet/diffusion_pytorch_model.safetensors";
    fs::copy(latest.join("state/weights.safetensors"), raw.join(weights)).unwrap();
    let of = |checkpoint: &str, out: &str| {
        let arguments = ["eval", "fid", "--checkpoint", checkpoint, "--data", "digits", "--num", "300"];
        let more = ["--sampler", "ddim", "--steps", "20", "--samples", out, "--json", "-"];
        let extractor = ["--extractor", "classifier:run/quality/features/checkpoints/latest"];
        let output = ddpm(dir).args(arguments).args(more).args(extractor).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["value"].as_f64().unwrap()
    };
    let (averaged, raw) = (of("run/checkpoints/latest", "averaged"), of("raw", "raw-samples"));
    assert!(averaged < raw, "averaged {averaged}, raw {raw}");
    assert!(dir.join("averaged/shard-00000.safetensors").is_file());

    // The neighbours of the samples, as a page.
    run(
        dir,
        &[
            "eval",
            "neighbours",
            "--images",
            "averaged",
            "--data",
            "digits",
            "--extractor",
            "classifier:run/quality/features/checkpoints/latest",
            "--report",
            "near",
        ],
    );
    let near = json(&dir.join("near/neighbours.json"));
    assert_eq!(near["nearest"].as_array().unwrap().len(), 300);
    assert!(fs::read_to_string(dir.join("near/index.html")).unwrap().contains("nearest training image"));

    // Starting afresh removes what was measured, and nothing of others.
    fs::write(root.join("notes.txt"), "mine").unwrap();
    let without = [
        "train.steps=2",
        "sample.steps=5",
        "quality.samples=0",
        "quality.split_samples=0",
        "quality.split_steps=20",
        "quality.split_fine_steps=0",
        "quality.steps=0",
        "quality.likelihood_images=0",
    ];
    let settings = set(&[&SMALL[..], &without].concat());
    let mut fresh: Vec<&str> = vec!["reproduce", "digits", "--run", "run", "--fresh"];
    fresh.extend(settings.iter().map(String::as_str));
    run(dir, &fresh);
    assert!(!root.join("quality").exists() && !root.join("checkpoints/best").exists());
    assert!(!root.join("report/quality.json").exists() && root.join("notes.txt").exists());
}

/// Samples of an evaluation that was stopped go on where they stopped, to the same bytes.
#[test]
fn samples_of_an_evaluation_survive_an_interruption() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let mut train: Vec<String> = ["train", "--config", "digits", "--run", "run"].map(str::to_owned).into();
    train.extend(set(&[&SMALL[..], &["train.steps=2"]].concat()));
    ddpm(dir).args(&train).assert().success();
    let arguments = |out: &'static str| {
        ["eval", "fid", "--checkpoint", "run/checkpoints/latest", "--data", "digits", "--extractor", "pixels"]
            .into_iter()
            .chain(["--num", "400", "--steps", "60", "--batch-size", "20", "--samples", out])
    };
    ddpm(dir).args(arguments("whole")).assert().success();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_ddpm"))
        .current_dir(dir)
        .args(on_one_thread())
        .args(arguments("stopped"))
        .env("DDPM_CACHE", dir.join("cache"))
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let partial = dir.join("stopped/.shard-00000.safetensors.part");
    while !partial.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    let _ = std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(75), "stopped between the first batch and the last");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("of 400 samples") && text.contains("the same command makes the rest"), "{text}");
    ddpm(dir).args(arguments("stopped")).assert().success();
    for file in files(&dir.join("whole")).into_iter().filter(|file| file.ends_with(".safetensors")) {
        assert_eq!(
            fs::read(dir.join("whole").join(&file)).unwrap(),
            fs::read(dir.join("stopped").join(&file)).unwrap()
        );
    }
    // Other settings do not mix with it.
    ddpm(dir)
        .args(arguments("stopped"))
        .args(["--sampler", "ddim"])
        .assert()
        .code(2)
        .stderr(contains("stopped").and(contains("panicked").not()));
}

#[test]
fn settings_without_effect_and_folders_that_are_no_runs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    for (changes, part) in [
        (
            &["quality.samples=0", "quality.likelihood_images=5", "quality.steps=0"][..],
            "likelihood_images has no effect",
        ),
        (&["quality.samples=1"], "quality.samples must be 0 (none) or at least 2"),
        (&["quality.steps=2000"], "quality.steps must be at most the 1000 training levels"),
        (&["quality.training_samples=10"], "training_samples has no effect with train.evaluate_every = 0"),
        (&["quality.extractor=\"vgg\""], "expected own, inception"),
    ] {
        ddpm(dir)
            .args(["config", "check", "digits"])
            .args(set(changes))
            .assert()
            .code(2)
            .stderr(contains(part));
    }
    ddpm(dir).args(["eval", "run", "."]).assert().code(2).stderr(contains("not the folder of a run"));
    ddpm(dir).args(["eval", "run", "nowhere"]).assert().code(2).stderr(contains("nowhere"));
}
