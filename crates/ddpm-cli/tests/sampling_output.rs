//! Samples on the disk: interrupted and made whole, of other settings, in places that cannot take them.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{TINY, ddpm, files, on_one_thread, set};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const CHECKPOINT: &str = "run/checkpoints/latest";

fn trained() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    ddpm(folder.path())
        .args(["train", "--config", "digits", "--run", "run"])
        .args(set(&[&TINY[..], &["train.steps=1"]].concat()))
        .assert()
        .success();
    folder
}

fn arguments<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let base = ["sample", "--checkpoint", CHECKPOINT, "--num", "48", "--batch-size", "4", "--out", out];
    [&base[..], more].concat()
}

/// Starts a command, interrupts it once `done` holds, and returns its exit code and messages.
fn interrupted(folder: &Path, arguments: &[&str], done: impl Fn() -> bool) -> (i32, String) {
    let child = Command::new(assert_cmd::cargo::cargo_bin("ddpm"))
        .current_dir(folder)
        .env("OMP_WAIT_POLICY", "passive")
        .args(on_one_thread())
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no sample appears");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Every file of a folder with its content, but for the settings' place of the checkpoint.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    files(folder).into_iter().map(|name| (name.clone(), fs::read(folder.join(&name)).unwrap())).collect()
}

fn record(folder: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join("samples.json")).unwrap()).unwrap()
}

#[test]
fn an_interrupted_output_keeps_whole_batches_and_the_same_command_makes_the_rest() {
    let folder = trained();
    let dir = folder.path();
    for (whole, out, more) in [
        ("a/", "b/", &["--sampler", "ddpm", "--steps", "40"][..]),
        // Between batches, as a single step cannot be stopped.
        ("c/", "d/", &["--sampler", "ddim", "--steps", "1", "--shards"]),
    ] {
        ddpm(dir).args(arguments(whole, more)).assert().success();
        let started =
            || dir.join(out).join("samples.json").exists() && record(&dir.join(out))["finished"] != 0;
        let (code, said) = interrupted(dir, &arguments(out, more), started);
        let kept = record(&dir.join(out));
        // A fast machine may have been done before the signal came.
        assert!([0, 75].contains(&code), "{said}");
        if code == 75 {
            assert_eq!(kept["complete"], false);
            let finished = kept["finished"].as_u64().unwrap();
            assert!(finished > 0 && finished.is_multiple_of(4), "{kept}");
            assert!(said.contains(&format!("{finished} of 48 samples of {out} are kept")), "{said}");
            ddpm(dir)
                .args(arguments(out, &[more, &["--seed", "1"]].concat()))
                .assert()
                .code(2)
                .stderr(contains("its samples were made with seed 0, not 1"));
            ddpm(dir)
                .args(arguments(out, more))
                .assert()
                .success()
                .stderr(contains(format!("{finished} of 48 samples are in {out} already")));
        }
        assert!(content(&dir.join(whole)) == content(&dir.join(out)), "{out}");
        assert_eq!(record(&dir.join(out))["complete"], true);
        // Nothing is left to do.
        ddpm(dir).args(arguments(out, more)).assert().success().stderr(contains("48 of 48"));
    }
    let settings = record(&dir.join("a"));
    assert_eq!((&settings["seed"], &settings["sampler"]["sampler"]), (&0.into(), &"ddpm".into()));
    assert_eq!(settings["levels"]["visited"], 40);
    let weights = dir.join(CHECKPOINT).join("unet/diffusion_pytorch_model.safetensors");
    assert_eq!(settings["checkpoint"]["weights_sha256"], ddpm_data::sha256_file(&weights).unwrap());

    // A single file: its parts are hidden until it is whole.
    let single = &["--sampler", "ddpm", "--steps", "40"];
    ddpm(dir).args(arguments("whole.safetensors", single)).assert().success();
    let parts = dir.join(".x.safetensors.partial");
    let (code, said) = interrupted(dir, &arguments("x.safetensors", single), || {
        parts.join("samples.json").exists()
            && fs::read_to_string(parts.join("samples.json")).is_ok_and(|t| !t.contains("\"finished\": 0"))
    });
    assert_eq!(
        (code == 75, code == 0),
        (!dir.join("x.safetensors").exists(), dir.join("x.safetensors").exists()),
        "{said}"
    );
    ddpm(dir).args(arguments("x.safetensors", single)).assert().success();
    assert!(fs::read(dir.join("x.safetensors")).unwrap() == fs::read(dir.join("whole.safetensors")).unwrap());
    assert!(!parts.exists());
}

#[test]
fn a_place_that_cannot_take_the_samples_is_refused_before_the_first_step() {
    let folder = trained();
    let dir = folder.path();
    let refuse = |out: &str, more: &[&str], part: &str| {
        let assert = ddpm(dir).args(arguments(out, more)).assert().code(2).stderr(contains(part));
        // Nothing was computed.
        assert.stderr(contains("evaluations").not());
    };
    fs::create_dir(dir.join("theirs")).unwrap();
    fs::write(dir.join("theirs/000000.png"), "mine").unwrap();
    refuse("theirs/", &[], "such as 000000.png; choose a new folder or an empty one");
    refuse("missing/x.png", &[], "missing");
    refuse("missing/x/", &[], "missing/x");
    refuse("x.txt", &[], "expected FILE.png, FILE.safetensors or a folder");
    refuse("x.png", &["--shards"], "--shards needs a folder");
    refuse("x.png", &["--trajectory", "missing/y.png"], "missing");
    refuse("x.png", &["--trajectory", "x.png"], "x.png");
    if ddpm_data::available_memory().is_some() {
        let large = ["--num", "1000000000000", "--batch-size", "1000000000000"];
        let arguments = [&["sample", "--checkpoint", CHECKPOINT, "--out", "x/"][..], &large].concat();
        ddpm(dir).args(arguments).assert().code(2).stderr(contains("of memory are left"));
    }
    assert_eq!(files(&dir.join("theirs")), ["000000.png"]);
    assert!(!dir.join("x").exists() && !dir.join("x.png").exists());
}
