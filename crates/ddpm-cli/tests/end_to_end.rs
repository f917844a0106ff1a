//! Whole runs of a tiny model: everything appears, loss falls, and a resumed run equals one that never stopped.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{TINY, ddpm, on_one_thread, set};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn losses(run: &Path) -> Vec<f64> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["loss"].as_f64().unwrap())
        .collect()
}

/// The tensors that a checkpoint holds, byte by byte.
fn tensors(checkpoint: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    ["unet/diffusion_pytorch_model.safetensors", "state/weights.safetensors", "state/optimizer.safetensors"]
        .map(|file| (PathBuf::from(file), std::fs::read(checkpoint.join(file)).unwrap()))
        .into()
}

fn assert_same_model(a: &Path, b: &Path) {
    for ((name, a), (_, b)) in tensors(a).into_iter().zip(tensors(b)) {
        assert!(a == b, "{} differs", name.display());
    }
}

#[test]
fn reproduce_leaves_a_model_samples_and_a_report_and_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let reproduce = |changes: &[&str]| {
        let mut command = ddpm(folder.path());
        command.args(["reproduce", "digits", "--run", "run"]).args(set(&TINY)).args(set(changes));
        command.assert().success().get_output().clone()
    };
    let output = reproduce(&["train.steps=80"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "run/report/index.html\n");
    let run = folder.path().join("run");
    let curve = losses(&run);
    assert_eq!(curve.len(), 16);
    let (first, last) = (curve[0], curve[13..].iter().sum::<f64>() / 3.0);
    assert!((0.9..1.1).contains(&first), "a fresh network predicts nothing: {first}");
    assert!(last < 0.75 * first, "loss fell from {first} to {last}");

    for file in [
        "config.toml",
        "samples/grid.png",
        "samples/trajectory.png",
        "samples/forward.png",
        "samples/images/000003.png",
        "checkpoints/latest/model_index.json",
        "checkpoints/latest/denoising_error.json",
        "report/decomposition.json",
        "report/decomposition/index.html",
        "report/decomposition/report.json",
    ] {
        assert!(run.join(file).is_file(), "{file} is missing");
    }
    assert_eq!(std::fs::read_link(run.join("checkpoints/latest")).unwrap(), Path::new("step-00000080"));
    let page = std::fs::read_to_string(run.join("report/index.html")).unwrap();
    assert!(page.contains("default-src 'none'") && page.contains("data:image/png;base64"));

    let marks = || {
        let read = |name: &str| std::fs::read_to_string(run.join(".stages").join(name)).unwrap();
        ["train.json", "sample.json", "evaluate.json"].map(read)
    };
    let before = marks();
    reproduce(&["train.steps=80"]);
    assert_eq!(marks(), before, "nothing ran again");
    reproduce(&["train.steps=80", "sample.steps=12"]);
    assert_eq!(marks()[0], before[0], "training did not run again");
    assert_ne!(marks()[1], before[1], "other settings sample anew");
    reproduce(&["train.steps=85", "sample.steps=12"]);
    assert_eq!(losses(&run).len(), 17, "more steps go on from the last");

    ddpm(folder.path())
        .args(["reproduce", "digits", "--run", "run"])
        .args(set(&TINY))
        .args(set(&["train.learning_rate=0.5"]))
        .assert()
        .code(2)
        .stderr(predicates::str::contains("train.learning_rate (0.5 now"));

    // What --fresh removes: every file that the run wrote, and no other.
    std::fs::write(run.join("samples/mine.png"), "mine").unwrap();
    ddpm_train::RunDir::new(&run).clear().unwrap();
    assert_eq!(common::files(&run), [".ddpm-run", "samples/mine.png"]);
}

#[test]
fn resuming_equals_never_having_stopped_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let train = |run: &str, steps: &str, more: &[&str]| {
        let steps = format!("train.steps={steps}");
        let mut command = ddpm(folder.path());
        command.args(["train", "--config", "digits", "--run", run]).args(set(&TINY)).args(set(&[&steps]));
        command.args(more).assert()
    };
    train("whole", "9", &[]).success();
    train("parts", "4", &["--resume"]).success();
    train("parts", "9", &[]).code(2).stderr(predicates::str::contains("--resume"));
    train("parts", "9", &["--resume"]).success();
    let at = |run: &str| folder.path().join(run).join("checkpoints/latest");
    assert_same_model(&at("whole"), &at("parts"));
    assert_eq!(losses(&folder.path().join("whole")).last(), losses(&folder.path().join("parts")).last());
}

#[test]
fn a_termination_writes_a_checkpoint_and_going_on_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = |run: &str| {
        let mut list =
            vec!["train".to_string(), "--config".into(), "digits".into(), "--run".into(), run.into()];
        list.extend(set(&TINY));
        list.extend(set(&["train.steps=400", "train.log_every=1"]));
        list
    };
    ddpm(folder.path()).args(arguments("whole")).assert().success();

    let child = Command::new(assert_cmd::cargo::cargo_bin("ddpm"))
        .current_dir(folder.path())
        .env("OMP_WAIT_POLICY", "passive")
        .args(on_one_thread())
        .args(arguments("stopped"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let metrics = folder.path().join("stopped/metrics.jsonl");
    let begun = Instant::now();
    while std::fs::read_to_string(&metrics).map_or(0, |text| text.lines().count()) < 3 {
        assert!(begun.elapsed() < Duration::from_secs(120), "training does not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(75), "{said}");
    assert!(said.contains("--resume resumes the run"), "{said}");

    ddpm(folder.path()).args(arguments("stopped")).arg("--resume").assert().success();
    let at = |run: &str| folder.path().join(run).join("checkpoints/latest");
    assert_same_model(&at("whole"), &at("stopped"));
    assert_eq!(losses(&folder.path().join("whole")), losses(&folder.path().join("stopped")));
}

#[test]
fn guidance_of_weight_one_is_the_conditional_model_and_zero_the_unconditional_one() {
    let folder = tempfile::tempdir().unwrap();
    ddpm(folder.path())
        .args(["train", "--config", "digits", "--run", "run"])
        .args(set(&TINY))
        .args(set(&["train.steps=30", "train.learning_rate=5e-3"]))
        .args(set(&["model.num_class_embeds=11", "train.label_dropout=0.2"]))
        .assert()
        .success();
    let sample = |more: &[&str]| {
        let mut command = ddpm(folder.path());
        command.args(["sample", "--checkpoint", "run/checkpoints/latest", "--steps", "5", "--num", "2"]);
        command.args(more).args(["--out", "x.safetensors"]).assert().success();
        ddpm_nets::tensor_file::read(&folder.path().join("x.safetensors")).unwrap().remove("samples").unwrap()
    };
    let distance = |a: &tch::Tensor, b: &tch::Tensor| (a - b).abs().max().double_value(&[]);
    let conditional = sample(&["--class", "3"]);
    let unconditional = sample(&["--class", "10"]);
    assert!(distance(&conditional, &unconditional) > 1e-3, "the class matters");
    assert!(distance(&sample(&["--class", "3", "--guidance", "1"]), &conditional) < 1e-4);
    assert!(distance(&sample(&["--class", "3", "--guidance", "0"]), &unconditional) < 1e-4);
    assert!(distance(&sample(&["--class", "3", "--guidance", "4"]), &conditional) > 1e-3);
    let nowhere = ["--class", "3", "--guidance", "4", "--guidance-interval", "1e8,1e9"];
    assert!(distance(&sample(&nowhere), &conditional) < 1e-4);
}

#[test]
fn images_keep_their_noise_at_every_batch_size_and_noise_can_be_given() {
    let folder = tempfile::tempdir().unwrap();
    ddpm(folder.path())
        .args(["train", "--config", "digits", "--run", "run"])
        .args(set(&TINY))
        .args(set(&["train.steps=5"]))
        .assert()
        .success();
    let sample = |more: &[&str]| {
        let mut command = ddpm(folder.path());
        command.args(["sample", "--checkpoint", "run/checkpoints/latest", "--steps", "6"]).args(more);
        command.assert().success();
    };
    let read = |name: &str| {
        let path = folder.path().join(name);
        ddpm_nets::tensor_file::read(&path).unwrap().remove("samples").unwrap()
    };
    sample(&["--num", "5", "--out", "a.safetensors"]);
    sample(&["--num", "5", "--batch-size", "2", "--out", "b.safetensors"]);
    sample(&["--num", "5", "--seed", "1", "--out", "c.safetensors"]);
    let distance = |a: &str, b: &str| (read(a) - read(b)).abs().max().double_value(&[]);
    assert!(distance("a.safetensors", "b.safetensors") < 1e-4);
    assert!(distance("a.safetensors", "c.safetensors") > 0.1);

    let x_t = tch::Tensor::zeros([2, 1, 8, 8], (tch::Kind::Float, tch::Device::Cpu));
    let z = tch::Tensor::zeros([6, 2, 1, 8, 8], (tch::Kind::Float, tch::Device::Cpu));
    ddpm_nets::tensor_file::write(&folder.path().join("noise.safetensors"), [("x_T", &x_t), ("z", &z)])
        .unwrap();
    sample(&["--noise", "noise.safetensors", "--out", "d.safetensors"]);
    assert_eq!(read("d.safetensors").size(), [2, 1, 8, 8]);
    assert!(read("d.safetensors").get(0).equal(&read("d.safetensors").get(1)), "same noise, same image");

    sample(&["--num", "3", "--out", "images/", "--trajectory", "way.png"]);
    let names = common::files(&folder.path().join("images"));
    assert_eq!(names, ["000000.png", "000001.png", "000002.png", "samples.json"]);
    assert!(folder.path().join("way.png").is_file());
}
