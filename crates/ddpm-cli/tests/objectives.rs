//! Objectives through the command line: an EDM network is trained and sampled, and a classifier guides it.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::ddpm;
use ddpm_nets::tensor_file;
use std::path::Path;

/// The digits' network as small as it gets, for a few steps.
const TINY: [&str; 8] = [
    "--set",
    "train.steps=4",
    "--set",
    "train.batch_size=8",
    "--set",
    "train.log_every=1",
    "--set",
    "train.checkpoint_every=2",
];

const EDM: [&str; 20] = [
    "--set",
    "model.block_out_channels=[8, 8]",
    "--set",
    "diffusion.prediction=edm",
    "--set",
    "diffusion.clip_sample=false",
    "--set",
    "diffusion.schedule={kind='karras', train_steps=50}",
    "--set",
    "quality.steps=20",
    "--set",
    "quality.split_fine_steps=50",
    "--set",
    "train.loss.kind=edm",
    "--set",
    "train.times.sampler=log-normal",
    "--set",
    "sample.steps=5",
    "--set",
    "sample.sampler=edm",
];

const CLASSIFIER: [&str; 6] = [
    "--set",
    "classifier.block_out_channels=[8, 8]",
    "--set",
    "diffusion.prediction=edm",
    "--set",
    "diffusion.schedule={kind='karras', train_steps=50}",
];

fn samples(folder: &Path, extra: &[&str]) -> tch::Tensor {
    let mut command = ddpm(folder);
    command.args(["sample", "--checkpoint", "run/checkpoints/latest", "--sampler", "edm", "--steps", "5"]);
    command.args(["--num", "2", "--out", "samples.safetensors"]).args(extra).assert().success();
    tensor_file::read(&folder.join("samples.safetensors")).unwrap().remove("samples").unwrap()
}

#[test]
fn an_edm_network_is_trained_and_sampled_and_a_classifier_guides_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let train = |config: &str, run: &str, changes: &[&str]| {
        ddpm(folder)
            .args(["train", "--config", config, "--run", run])
            .args(TINY)
            .args(changes)
            .assert()
            .success();
    };
    train("digits", "run", &EDM);
    let index = std::fs::read_to_string(folder.join("run/checkpoints/latest/model_index.json")).unwrap();
    assert!(index.contains("EdmPipeline") && index.contains("EDMEulerScheduler"), "{index}");
    let plain = samples(folder, &[]);
    assert_eq!(plain.size(), [2, 1, 8, 8]);
    assert!(plain.isfinite().all().int64_value(&[]) == 1);

    train("digits-classifier", "guide", &CLASSIFIER);
    let guide = ["--classifier", "guide/checkpoints/latest", "--classifier-scale"];
    let guided =
        |scale: &str, class: &str| samples(folder, &[&guide[..], &[scale, "--class", class]].concat());
    assert!(guided("0", "3").equal(&plain), "no weight, no guidance");
    let three = guided("50", "3");
    assert!(!three.equal(&plain) && !three.equal(&guided("50", "4")));
    assert!(three.isfinite().all().int64_value(&[]) == 1);

    let refused = |extra: &[&str], expected: &str| {
        let output = ddpm(folder)
            .args(["sample", "--checkpoint", "run/checkpoints/latest", "--out", "x.png"])
            .args(extra)
            .assert()
            .code(2);
        let text = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        assert!(text.contains(expected) && text.trim_end().lines().count() == 1, "{text}");
    };
    refused(&["--class", "3"], "--classifier DIR can guide it to a class");
    refused(&["--classifier", "run/checkpoints/latest"], "expected NoiseClassifierPipeline");
    refused(
        &["--classifier", "guide/checkpoints/latest", "--class", "10"],
        "--class must lie between 0 and 9",
    );
    // A classifier of another process.
    train("digits-classifier", "other", &CLASSIFIER[..2]);
    refused(&["--classifier", "other/checkpoints/latest", "--class", "1"], "another noising process");
}
