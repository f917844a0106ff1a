//! Runs on vectors: every gmm2d preset, its checkpoint in `sample` and `denoise`, exact resume, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{ddpm, set};
use ddpm_nets::tensor_file;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// All presets on a mixture in the plane.
const PRESETS: [&str; 8] = [
    "gmm2d-ddpm",
    "gmm2d-esm",
    "gmm2d-ism",
    "gmm2d-ssm",
    "gmm2d-dsm",
    "gmm2d-ebm",
    "gmm2d-vpsde",
    "gmm2d-vesde",
];

/// Settings that make a run a matter of a second.
const TINY: [&str; 8] = [
    "model.width=16",
    "train.steps=4",
    "train.batch_size=32",
    "train.checkpoint_every=2",
    "sample.num=16",
    "sample.steps=5",
    "eval.samples=200",
    "eval.levels=4",
];

fn reproduce(folder: &Path, name: &str, changes: &[&str]) -> String {
    let output = ddpm(folder).args(["reproduce", name]).args(set(changes)).assert().success();
    String::from_utf8(output.get_output().stdout.clone()).unwrap()
}

/// The relative errors (%) of the printed table, such as `0.502 ± 0.012` or `(1.25 ± 0.16)×10⁻⁵`.
fn errors(stdout: &str) -> Vec<f64> {
    let rows = stdout.lines().skip_while(|line| !line.contains("error (%)")).skip(1);
    rows.map_while(|line| {
        let mantissa: f64 = line.split_whitespace().nth(4)?.trim_start_matches('(').parse().ok()?;
        Some(if line.contains(")×10⁻") {
            1e-4 * mantissa
        } else if line.contains(")×10") {
            1e6 * mantissa
        } else {
            mantissa
        })
    })
    .collect()
}

#[test]
fn every_preset_trains_samples_and_reports() {
    for name in PRESETS {
        let folder = tempfile::tempdir().unwrap();
        let stdout = reproduce(folder.path(), name, &TINY);
        let errors = errors(&stdout);
        assert_eq!(errors.len(), 4, "{name}: {stdout}");
        assert!(errors.iter().all(|error| error.is_finite() && *error >= 0.0), "{name}: {stdout}");
        let run = folder.path().join("runs").join(name);
        let samples = tensor_file::read(&run.join("samples/samples.safetensors")).unwrap();
        assert_eq!(samples["samples"].size(), [16, 2]);
        assert!(samples["samples"].isfinite().all().int64_value(&[]) == 1);
        let page = std::fs::read_to_string(run.join("report/index.html")).unwrap();
        assert!(page.contains("data:image/svg+xml;base64,") && page.contains("Error of the score"), "{name}");
        assert!(run.join("samples/plane.svg").is_file() && stdout.trim_end().ends_with("index.html"));
        assert!(run.join("checkpoints/step-00000004/unet/config.json").is_file());
        // What --fresh removes.
        ddpm_train::RunDir::new(&run).clear().unwrap();
        assert_eq!(common::files(&run), [".ddpm-run"]);
    }
}

#[test]
fn l_simple_learns_the_score_to_its_goal() {
    let folder = tempfile::tempdir().unwrap();
    let changes = ["model.width=64", "sample.num=100", "sample.steps=20", "eval.samples=4000"];
    let stdout = reproduce(folder.path(), "gmm2d-ddpm", &changes);
    let errors = errors(&stdout);
    assert_eq!(errors.len(), 10);
    assert!(errors.iter().all(|error| *error < 10.0), "{stdout}");
}

#[test]
fn a_run_goes_on_exactly_where_it_stopped() {
    let weights = |folder: &Path, step: &str| {
        std::fs::read(folder.join(format!("runs/gmm2d-ebm/checkpoints/{step}/state/weights.safetensors")))
            .unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let train = |steps: &str, more: &[&str]| {
        let mut changes = TINY.to_vec();
        let steps = format!("train.steps={steps}");
        changes.extend([steps.as_str(), "train.learning_rate_decay=constant", "train.keep_checkpoints=0"]);
        ddpm(folder.path()).args(["train", "--config", "gmm2d-ebm"]).args(set(&changes)).args(more).assert()
    };
    train("6", &[]).success();
    let whole = weights(folder.path(), "step-00000006");
    std::fs::remove_dir_all(folder.path().join("runs")).unwrap();
    train("2", &[]).success();
    train("6", &["--resume"]).success();
    assert!(whole == weights(folder.path(), "step-00000006"));
    assert!(whole != weights(folder.path(), "step-00000002"));
    let refused = train("6", &[]).failure().code(2);
    assert!(String::from_utf8_lossy(&refused.get_output().stderr).contains("already holds a run"));
    let refused = train("8", &["--resume", "--set", "objective.kind=explicit"]).failure().code(2);
    let text = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(text.contains("objective.kind (\"explicit\" now, \"denoising\" then)"), "{text}");
}

#[test]
fn its_checkpoint_is_sampled_and_denoises() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    reproduce(root, "gmm2d-ddpm", &TINY);
    let checkpoint = "runs/gmm2d-ddpm/checkpoints/latest";
    let sample = |more: &[&str]| ddpm(root).args(["sample", "--checkpoint", checkpoint]).args(more).assert();
    sample(&["--num", "7", "--sampler", "ddim", "--steps", "4", "--out", "s.safetensors"]).success();
    let samples = tensor_file::read(&root.join("s.safetensors")).unwrap();
    assert_eq!(samples["samples"].size(), [7, 2]);
    for (options, expected) in [
        (&["--out", "grid.png"][..], "these samples are numbers"),
        (&["--class", "1"], "--class"),
        (&["--steps", "1001"], "1000"),
        (&["--variance", "analytic"], "analytic"),
    ] {
        let error = sample(options).failure().code(2);
        let text = String::from_utf8_lossy(&error.get_output().stderr).into_owned();
        assert!(text.contains(expected) && text.trim().lines().count() == 1, "{text}");
    }

    let x = Tensor::from_slice(&[0.3f32, -0.7, 1.1, 0.2]).reshape([2, 2]);
    let t = Tensor::from_slice(&[10i64, 900]);
    tensor_file::write(&root.join("x.safetensors"), [("x", &x), ("t", &t)]).unwrap();
    let denoise = |input: &str| {
        ddpm(root)
            .args(["denoise", "--checkpoint", checkpoint, "--input", input, "--output", "y.safetensors"])
            .assert()
    };
    denoise("x.safetensors").success();
    let y = tensor_file::read(&root.join("y.safetensors")).unwrap();
    // x_t = alpha x_0 + sigma eps, with the schedule's alpha and sigma.
    let schedule = ddpm_core::Schedule::linear(1000).unwrap();
    for (row, t) in [10u32, 900].into_iter().enumerate() {
        let level = schedule.level(ddpm_core::TimeIndex(t));
        let back = y["x0"].get(row as i64) * level.alpha() + y["eps"].get(row as i64) * level.sigma();
        assert!((back - x.get(row as i64)).abs().max().double_value(&[]) < 1e-5);
    }
    let images = Tensor::zeros([2, 1, 8, 8], (Kind::Float, Device::Cpu));
    tensor_file::write(&root.join("i.safetensors"), [("x", &images), ("t", &t)]).unwrap();
    let error = denoise("i.safetensors").failure().code(2);
    let text = String::from_utf8_lossy(&error.get_output().stderr).into_owned();
    assert!(text.contains("expected [n, 2]"), "{text}");
}

#[test]
fn an_energy_is_an_output_whose_slope_is_the_score() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    reproduce(root, "gmm2d-ebm", &TINY);
    // A point and its neighbours at a distance h along the first axis.
    let h = 1e-2f32;
    let x = Tensor::from_slice(&[0.3f32, -0.7, 0.3 + h, -0.7, 0.3 - h, -0.7]).reshape([3, 2]);
    let t = Tensor::from_slice(&[5i64; 3]);
    tensor_file::write(&root.join("x.safetensors"), [("x", &x), ("t", &t)]).unwrap();
    let checkpoint = "runs/gmm2d-ebm/checkpoints/latest";
    ddpm(root)
        .args([
            "denoise",
            "--checkpoint",
            checkpoint,
            "--input",
            "x.safetensors",
            "--output",
            "y.safetensors",
        ])
        .assert()
        .success();
    let y = tensor_file::read(&root.join("y.safetensors")).unwrap();
    let energy = |row: i64| y["energy"].double_value(&[row]);
    let slope = (energy(1) - energy(2)) / (2.0 * f64::from(h));
    // Level 5 of ten from sigma 0.05 to 10; the score is -eps/sigma and the slope of the energy its negative.
    let sigma = 0.05 * 200f64.powf(5.0 / 9.0);
    let expected = y["eps"].double_value(&[0, 0]) / sigma;
    assert!((slope - expected).abs() < 2e-3 * (1.0 + expected.abs()), "{slope} {expected}");
}

#[test]
fn wrong_settings_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (change, expected) in [
        ("model.dim=3", "model.dim must be 2 like the data, got 3"),
        ("model.width=0", "model.width: must be at least 1, got 0"),
        ("model.output=energies", "unknown value `energies`"),
        ("model.level_features=3", "model.level_features: must be even"),
        ("objective.kind=slices", "unknown value `slices`"),
        ("objective.divergence=exact", "unknown key `objective.divergence`"),
        ("diffusion.process.kind=vp", "diffusion: expected either schedule or process"),
        ("diffusion.schedule.kind=lin", "unknown value `lin`"),
        ("data.target.weights=[0.5,0.5]", "means must have 2 entries, got 4"),
        ("data.target.stds=[0,1,1,1]", "stds[0] must be positive, got 0"),
        ("data.file=x.json", "data: expected either target or file"),
        ("sample.sampler=ddmp", "unknown sampler"),
        ("sample.step_size=1", "sample.step_size belongs to the sampler langevin"),
        ("sample.steps=2000", "sample.steps must lie between 1 and the 1000 training levels"),
        ("train.horizontal_flips=true", "train.horizontal_flips is for images"),
        ("train.precision=bf16", "train.precision must be f32"),
        ("eval.levels=1", "eval.levels must be at least 2"),
    ] {
        let output = ddpm(folder.path()).args(["config", "check", "gmm2d-ddpm", "--set", change]).assert();
        let output = output.failure().code(2);
        let text = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        assert!(text.contains(expected) && text.trim().lines().count() == 1, "{change}: {text}");
    }
    let process = ["--set", "diffusion.process.sigma_max=5"];
    let output = ddpm(folder.path()).args(["config", "check", "gmm2d-vpsde"]).args(process).assert();
    let text = String::from_utf8_lossy(&output.failure().code(2).get_output().stderr).into_owned();
    assert!(text.contains("process \"vp\" does not take key \"sigma_max\""), "{text}");
}
