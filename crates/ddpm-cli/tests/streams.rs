//! Output that nobody reads any more, logs, and signals: nothing of it ends a run before its checkpoint.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{TINY, on_one_thread, set};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// `sh -c SCRIPT` with `ddpm ARGUMENTS` as `"$@"`.
fn shell(folder: &Path, script: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("bash");
    command
        .args(["-c", script, "bash"])
        .arg(assert_cmd::cargo::cargo_bin("ddpm"))
        .args(on_one_thread())
        .args(arguments)
        .current_dir(folder)
        .env("OMP_WAIT_POLICY", "passive");
    command
}

fn training<'a>(run: &'a str, changes: &'a [String]) -> Vec<&'a str> {
    let mut list = vec!["train", "--config", "digits", "--run", run];
    list.extend(changes.iter().map(String::as_str));
    list
}

fn changes(steps: &str) -> Vec<String> {
    set(&[&TINY[..], &[steps, "train.log_every=1"]].concat())
}

fn log(folder: &Path, run: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join(run).join("log.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

#[test]
fn a_run_outlives_its_readers_and_its_log_has_everything() {
    let folder = tempfile::tempdir().unwrap();
    let changes = changes("train.steps=3");
    for (run, script) in [
        ("full", "exec \"$@\" 2>/dev/full"),
        ("gone", "set -o pipefail; \"$@\" 2>&1 >/dev/null | true"),
        ("closed", "exec \"$@\" 2>&-"),
    ] {
        let output = shell(folder.path(), script, &training(run, &changes)).output().unwrap();
        assert_eq!(code(&output), 0, "{run}: {output:?}");
        assert!(folder.path().join(run).join("checkpoints/step-00000003").is_dir(), "{run}");
        let records = log(folder.path(), run);
        let (first, last) = (&records[0], records.last().unwrap());
        assert_eq!((&first["kind"], &last["kind"]), (&"start".into(), &"end".into()), "{run}");
        for key in ["time", "host", "pid", "device", "program", "commit", "command"] {
            assert!(!first[key].is_null(), "{run}: {key}");
        }
        assert!(first["command"].as_str().unwrap().contains(&format!("--run {run}")), "{first}");
        assert_eq!(last["exit_code"], 0, "{run}");
        let said = |part: &str| records.iter().any(|r| r["text"].as_str().is_some_and(|t| t.contains(part)));
        assert!(said("parameters, 3 steps") && said("checkpoints/latest"), "{run}: {records:?}");
    }
    // A result that cannot be written is an error, after the work.
    let output =
        shell(folder.path(), "exec \"$@\" >/dev/full", &training("result", &changes)).output().unwrap();
    assert_eq!(code(&output), 2, "{output:?}");
    assert!(folder.path().join("result/checkpoints/step-00000003").is_dir());
    assert!(String::from_utf8_lossy(&output.stderr).contains("No space left"), "{output:?}");
}

#[test]
fn a_closed_pipe_ends_a_command_quietly() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["--help"][..],
        &["sample", "--help"],
        &["--version"],
        &["config", "list"],
        &["config", "show", "digits"],
        &["devices"],
        &["data", "list"],
        &["data", "info", "digits"],
        &["sample", "--list-samplers"],
        &["schedule", "--all"],
    ] {
        // The reader is gone before the command prints.
        let script = "\"$@\" | true; exit ${PIPESTATUS[0]}";
        let output = shell(folder.path(), script, arguments).output().unwrap();
        assert_eq!((code(&output), output.stderr.as_slice()), (0, &b""[..]), "{arguments:?}: {output:?}");
    }
}

#[test]
fn redirected_messages_have_no_escape_codes() {
    let folder = tempfile::tempdir().unwrap();
    let changes = changes("train.steps=2");
    let mut arguments = training("run", &changes);
    arguments.insert(0, "-vv");
    let output = shell(folder.path(), "exec \"$@\"", &arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(code(&output) == 0 && said.contains("images_per_second"), "{said}");
    assert!(!said.contains(['\x1b', '\r']), "{said:?}");
    assert!(
        log(folder.path(), "run").iter().any(|record| record["kind"] == "info"),
        "diagnostics are logged"
    );
}

/// A long training in the background.
fn background(folder: &Path, script: &str, run: &str) -> Child {
    let changes = changes("train.steps=1000000");
    let child = shell(folder, script, &training(run, &changes))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !folder.join(run).join("metrics.jsonl").exists() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{run} does not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn send(signal: &str, to: &Child) {
    assert!(Command::new("kill").args([signal, &to.id().to_string()]).status().unwrap().success());
}

#[test]
fn signals_of_schedulers_and_lost_terminals_write_a_checkpoint_and_nohup_is_respected() {
    let folder = tempfile::tempdir().unwrap();
    let ended = |child: Child, run: &str| {
        let output = child.wait_with_output().unwrap();
        assert_eq!(code(&output), 75, "{run}: {output:?}");
        assert!(folder.path().join(run).join("checkpoints/latest").exists(), "{run}");
        assert_eq!(log(folder.path(), run).last().unwrap()["exit_code"], 75, "{run}");
    };
    // Slurm's --signal=USR1.
    let child = background(folder.path(), "exec \"$@\"", "usr1");
    send("-USR1", &child);
    ended(child, "usr1");

    // A terminal that is closed: SIGHUP, and nothing can be printed any more. Where the tests themselves run under nohup, no child hears it.
    if torch_ext::signal::is_ignored(signal_hook::consts::SIGHUP) {
        eprintln!("skipped: the loss of a terminal, because SIGHUP is ignored here (nohup)");
    } else {
        let mut child = background(folder.path(), "exec \"$@\"", "lost");
        drop(child.stderr.take());
        send("-HUP", &child);
        ended(child, "lost");
    }

    // nohup: SIGHUP is ignored, SIGTERM is not.
    let child = background(folder.path(), "trap '' HUP; exec \"$@\"", "nohup");
    send("-HUP", &child);
    let metrics = folder.path().join("nohup/metrics.jsonl");
    let lines = || std::fs::read_to_string(&metrics).unwrap().lines().count();
    let (begun, before) = (Instant::now(), lines());
    while lines() < before + 20 {
        assert!(begun.elapsed() < Duration::from_secs(120), "the training does not go on");
        std::thread::sleep(Duration::from_millis(5));
    }
    send("-TERM", &child);
    ended(child, "nohup");
}
