//! Checkpoints go both ways between this program and diffusers, with the same answers.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{TINY, ddpm, set};
use ddpm_nets::tensor_file;
use ddpm_testkit::python;
use std::path::Path;
use std::process::Command;
use tch::Tensor;

/// The bound of the contract.
const TOLERANCE: f64 = 2e-5;

fn script(python: &Path, name: &str, arguments: &[&Path]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name);
    // Cargo's value names libtorch's folder; Python brings its own libtorch.
    let status =
        Command::new(python).arg(path).args(arguments).env_remove("LD_LIBRARY_PATH").status().unwrap();
    assert!(status.success(), "{name} failed");
}

fn relative(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[]) / b.abs().max().double_value(&[])
}

#[test]
fn denoise_answers_as_diffusers_does() {
    let Some(python) = python("the comparison with diffusers") else { return };
    let folder = tempfile::tempdir().unwrap();
    script(&python, "make_pipelines.py", &[folder.path()]);
    let mut cases = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let dir = entry.unwrap().path();
        let output = dir.join("output.safetensors");
        ddpm(folder.path())
            .arg("denoise")
            .args(["--checkpoint".as_ref(), dir.as_os_str()])
            .args(["--input".as_ref(), dir.join("input.safetensors").as_os_str()])
            .args(["--output".as_ref(), output.as_os_str()])
            .assert()
            .success();
        let (got, expected) = (
            tensor_file::read(&output).unwrap(),
            tensor_file::read(&dir.join("expected.safetensors")).unwrap(),
        );
        let error = relative(&got["eps"], &expected["eps"]);
        assert!(error < TOLERANCE, "{}: eps differs by {error:e}", dir.display());
        // Their x_0 divides by an alpha of the f32 product of a thousand factors: see the tolerance of alpha_bar.
        let error = relative(&got["x0"], &expected["x0"]);
        assert!(error < 2e-4, "{}: x0 differs by {error:e}", dir.display());
        cases += 1;
    }
    assert!(cases >= 7);
}

#[test]
fn diffusers_opens_what_training_wrote() {
    let Some(python) = python("opening a checkpoint with DDPMPipeline") else { return };
    let folder = tempfile::tempdir().unwrap();
    ddpm(folder.path())
        .args(["train", "--config", "digits", "--run", "run"])
        .args(set(&TINY))
        .args(set(&["train.steps=20"]))
        .assert()
        .success();
    let checkpoint = folder.path().join("run/checkpoints/latest");
    let (input, theirs, ours) = ("input.safetensors", "theirs.safetensors", "ours.safetensors");
    let x = Tensor::randn([4, 1, 8, 8], (tch::Kind::Float, tch::Device::Cpu));
    let t = Tensor::from_slice(&[0i64, 10, 500, 999]);
    let path = |name: &str| folder.path().join(name);
    tensor_file::write(&path(input), [("x", &x), ("t", &t)]).unwrap();
    script(&python, "open_pipeline.py", &[&checkpoint, &path(input), &path(theirs)]);
    ddpm(folder.path())
        .args(["denoise", "--checkpoint", "run/checkpoints/latest", "--input", input, "--output", ours])
        .assert()
        .success();
    let read = |name: &str| tensor_file::read(&path(name)).unwrap().remove("eps").unwrap();
    let error = relative(&read(ours), &read(theirs));
    assert!(error < TOLERANCE, "{error:e}");
}
