//! Checkpoints of other codes, converted by `tools/import_checkpoint.py`, answer here as they do there.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::ddpm;
use ddpm_nets::tensor_file;
use ddpm_testkit::python;
use std::path::Path;
use std::process::Command;

#[test]
fn imported_checkpoints_answer_as_their_authors_code_does() {
    let Some(python) = python("importing checkpoints of other codes") else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/import_checkpoints.py");
    // Cargo's value names libtorch's folder; Python brings its own libtorch.
    let status =
        Command::new(python).arg(script).arg(folder.path()).env_remove("LD_LIBRARY_PATH").status().unwrap();
    assert!(status.success());
    for name in ["improved-0", "ho-average", "ho-raw"] {
        let dir = folder.path().join(name);
        ddpm(&dir)
            .args([
                "denoise",
                "--checkpoint",
                ".",
                "--input",
                "input.safetensors",
                "--output",
                "output.safetensors",
            ])
            .assert()
            .success();
        let read = |file: &str| tensor_file::read(&dir.join(file)).unwrap().remove("eps").unwrap();
        let (got, expected) = (read("output.safetensors"), read("expected.safetensors"));
        let error = (&got - &expected).abs().max().double_value(&[]) / expected.abs().max().double_value(&[]);
        assert!(error < 2e-5, "{name}: eps differs by {error:e}");
    }
}
