//! What happens to runs on real machines: damaged checkpoints, full disks, impatient people.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{TINY, ddpm, on_one_thread, set};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn arguments(run: &str, changes: &[&str]) -> Vec<String> {
    let mut list: Vec<String> =
        ["train", "--config", "digits", "--run", run, "--resume"].map(String::from).into();
    list.extend(set(&TINY));
    list.extend(set(changes));
    list
}

/// `sh -c SCRIPT` with the tiny training command behind it.
fn train_in_shell(folder: &Path, script: &str, arguments: &[String]) -> std::process::Output {
    Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(assert_cmd::cargo::cargo_bin("ddpm"))
        .args(on_one_thread())
        .args(arguments)
        .current_dir(folder)
        .env("OMP_WAIT_POLICY", "passive")
        .output()
        .unwrap()
}

fn weights(folder: &Path, run: &str) -> Vec<u8> {
    std::fs::read(folder.join(run).join("checkpoints/latest/state/weights.safetensors")).unwrap()
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_last_good_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let train = |run: &str, steps: &str| {
        ddpm(folder.path()).args(arguments(run, &[steps, "train.checkpoint_every=3"])).assert()
    };
    train("whole", "train.steps=8").success();
    train("damaged", "train.steps=6").success();
    let moments = folder.path().join("damaged/checkpoints/latest/state/optimizer.safetensors");
    let mut bytes = std::fs::read(&moments).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&moments, bytes).unwrap();
    train("damaged", "train.steps=8")
        .success()
        .stderr(predicates::str::contains("step-00000006/state/optimizer.safetensors: expected SHA-256"))
        .stderr(predicates::str::contains("resumed after step 3"));
    assert!(weights(folder.path(), "whole") == weights(folder.path(), "damaged"));
    assert!(folder.path().join("damaged/checkpoints/damaged-step-00000006").is_dir());
}

#[test]
fn a_full_disk_keeps_the_last_checkpoint_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let settings = |steps| arguments("run", &[steps, "train.checkpoint_every=2", "train.log_every=1"]);
    ddpm(folder.path()).args(settings("train.steps=2")).assert().success();

    // No file may grow beyond 16 blocks of 512 bytes (of 1024 in some shells): room for metrics, none for weights.
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$@\"";
    let output = train_in_shell(folder.path(), script, &settings("train.steps=7"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for step in ["step 4", "step 6"] {
        assert!(said.contains(&format!("the checkpoint of {step} cannot be written: ")), "{said}");
    }
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("error: the checkpoint of step 7 cannot be written: "), "{said}");
    assert!(last.ends_with("--resume continues from step 2"), "{said}");
    let checkpoints: Vec<_> = std::fs::read_dir(folder.path().join("run/checkpoints"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(checkpoints.len(), 2, "the good one and the link to it: {checkpoints:?}");

    ddpm(folder.path()).args(settings("train.steps=7")).assert().success();
    let mut whole = settings("train.steps=7");
    whole[4] = "whole".into();
    ddpm(folder.path()).args(whole).assert().success();
    assert!(weights(folder.path(), "run") == weights(folder.path(), "whole"));
}

/// The command in the background, with the messages that it prints.
fn background(folder: &Path, arguments: &[String]) -> std::process::Child {
    Command::new(assert_cmd::cargo::cargo_bin("ddpm"))
        .current_dir(folder)
        .env("OMP_WAIT_POLICY", "passive")
        .args(on_one_thread())
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn wait_for(path: &Path) {
    let begun = Instant::now();
    while !path.exists() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{} does not appear", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn send(signal: &str, to: &std::process::Child) {
    assert!(Command::new("kill").args([signal, &to.id().to_string()]).status().unwrap().success());
}

#[test]
fn one_process_at_a_time_writes_a_run_and_no_folder_of_other_origin() {
    let folder = tempfile::tempdir().unwrap();
    let refuse = |arguments: &[&str], reason: &str| {
        let mut command = ddpm(folder.path());
        command.args(arguments).assert().code(2).stderr(predicates::str::contains(reason));
    };
    let first = background(folder.path(), &arguments("run", &["train.steps=100000"]));
    wait_for(&folder.path().join("run/metrics.jsonl"));
    let holder = format!("run is in use by process {} on ", first.id());
    refuse(&["train", "--config", "digits", "--run", "run", "--resume"], &holder);
    refuse(&["reproduce", "digits", "--run", "run", "--fresh"], &holder);
    refuse(&["reproduce", "gmm2d-ism", "--run", "run"], &holder);
    send("-TERM", &first);
    assert_eq!(first.wait_with_output().unwrap().status.code(), Some(75));
    assert!(folder.path().join("run/checkpoints/latest").exists());

    // The configuration of another program does not make a run.
    let foreign = ["checkpoints/other-model.pt", "config.toml", "report/chapter1.tex", "samples/blood.txt"];
    for file in foreign {
        let path = folder.path().join("theirs").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "[package]").unwrap();
    }
    for arguments in [
        &["reproduce", "digits", "--run", "theirs", "--fresh"][..],
        &["reproduce", "digits", "--run", "theirs"],
        &["train", "--config", "digits", "--run", "theirs"],
        &["train", "--config", "digits", "--run", "theirs", "--resume"],
    ] {
        refuse(arguments, "theirs has files of other origin");
    }
    assert_eq!(common::files(&folder.path().join("theirs")), foreign);
    // Nothing is left of a run that was refused before its first file.
    refuse(&["train", "--config", "digits", "--run", "none/new", "--data-dir", "missing"], "missing");
    assert!(!folder.path().join("none").exists());
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let folder = tempfile::tempdir().unwrap();
    // A step so long that the first signal cannot be honoured before the second comes.
    let long = arguments("run", &["train.batch_size=60000", "train.steps=2"]);
    let child = background(folder.path(), &long);
    wait_for(&folder.path().join("run/config.toml"));
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(300));
        send("-TERM", &child);
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!folder.path().join("run/checkpoints/latest").exists());
}
