//! The error benchmark from the command line: it resumes after a kill, repeats itself byte for byte, and refuses what it cannot do.
// A failed unwrap is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::{ddpm, plain_ddpm};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// The closed-form targets that are quickest.
const TARGETS: [&str; 4] = ["error-benchmark", "--quick", "--targets", "mixture-1d,gaussian-2d"];

fn benchmark(folder: &Path, more: &[&str]) {
    ddpm(folder).args(TARGETS).args(more).assert().success();
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// Finished cells and when they were written.
fn cells(folder: &Path) -> BTreeMap<String, SystemTime> {
    let entries = std::fs::read_dir(folder.join("cells")).into_iter().flatten().flatten();
    let finished = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    finished
        .map(|entry| {
            let modified = entry.metadata().unwrap().modified().unwrap();
            (entry.file_name().to_string_lossy().into_owned(), modified)
        })
        .collect()
}

#[test]
fn a_killed_run_goes_on_and_all_runs_agree_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    let mut child = Command::new(plain_ddpm(folder.path()).get_program())
        .args(["--threads", "1"])
        .args(TARGETS)
        .args(["--out", "a"])
        .current_dir(folder.path())
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while cells(&a).len() < 20 && begun.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = cells(&a);
    assert!(before.len() >= 20 && !a.join("results.json").exists(), "{}", before.len());

    benchmark(folder.path(), &["--out", "a"]);
    let after = cells(&a);
    assert!(after.len() > before.len());
    assert!(before.iter().all(|(key, time)| after[key] == *time), "a finished cell was computed again");

    // A second run computes nothing; a fresh one, on more threads, computes everything: the same bytes.
    let (results, page) = (read(a.join("results.json")), read(a.join("index.html")));
    benchmark(folder.path(), &["--out", "a"]);
    assert_eq!((read(a.join("results.json")) == results, cells(&a) == after), (true, true));
    plain_ddpm(folder.path()).args(["--threads", "3"]).args(TARGETS).args(["--out", "b"]).assert().success();
    assert!(read(b.join("results.json")) == results && read(b.join("index.html")) == page);

    // What is damaged is computed again; what --fresh forgets as well.
    let damaged = a.join("cells").join(after.keys().next().unwrap());
    let whole = read(&damaged);
    std::fs::write(&damaged, whole.replace("\"value\":", "\"value\":1")).unwrap();
    std::fs::write(a.join("mine.txt"), "kept").unwrap();
    benchmark(folder.path(), &["--out", "a"]);
    assert!(read(a.join("results.json")) == results && read(&damaged) == whole);
    benchmark(folder.path(), &["--out", "a", "--fresh"]);
    assert!(
        read(a.join("results.json")) == results
            && cells(&a).values().all(|time| *time > after[after.keys().next().unwrap()])
    );
    assert!(a.join("mine.txt").exists());

    // Neither times nor places are in the results.
    assert!(!results.contains("seconds") && !results.contains(&*folder.path().to_string_lossy()));
    let value: serde_json::Value = serde_json::from_str(&results).unwrap();
    let names: Vec<&str> =
        value["answers"].as_array().unwrap().iter().map(|answer| answer["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["schedule", "variance", "sampler", "scaling"]);
    // THEORY's reference value: the mixture, all 1000 levels of the linear schedule, analytic variance.
    let reference = value["cells"].as_array().unwrap().iter().find(|cell| {
        cell["target"] == "mixture-1d"
            && cell["variance"] == "analytic"
            && cell["perturbation"] == 0.0
            && cell["levels"]["steps"] == 1000
            && cell["levels"]["noising"]["schedule"]["kind"] == "linear"
            && cell["levels"]["grid"] == "linspace"
    });
    let discretization = reference.unwrap()["discretization"]["value"].as_f64().unwrap();
    assert!((discretization - 0.002_240_2).abs() < 5e-8, "{discretization}");
    // Every exponent that theory knows is found.
    let exponents = value["answers"][3]["figures"]["exponents"].as_array().unwrap();
    assert!(exponents.len() > 25);
    for law in exponents.iter().filter(|law| law["theory"] != "tends-to-zero") {
        assert_eq!(law["agrees"], true, "{law}");
    }
}

#[test]
fn what_cannot_be_done_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let refused = |arguments: &[&str], expected: &str| {
        let assert = ddpm(folder.path()).args(["error-benchmark"]).args(arguments).assert().code(2);
        let text = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
        assert!(text.contains(expected) && text.trim_end().lines().count() == 1, "{arguments:?}: {text}");
    };
    refused(&["--out", "file"], "--out file is a file; expected a folder");
    refused(&["--targets", "mixture-7d"], "mixture-7d");
    refused(&["--quick", "--targets", "fashion-gaussian", "--data-dir", "nowhere"], "nowhere");
    refused(&["--steps", "7"], "--steps");
}
