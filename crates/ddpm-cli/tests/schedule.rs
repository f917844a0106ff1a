//! `ddpm schedule`: formulas, files, the picture, and what is refused.
// A failed unwrap is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::plain_ddpm;
use serde_json::Value;
use std::path::Path;

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = plain_ddpm(folder).arg("schedule").args(arguments).args(["--json", "-"]).assert().success();
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

fn list(value: &Value, key: &str) -> Vec<f64> {
    value[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn close(what: &str, got: f64, expected: f64, relative: f64) {
    assert!((got - expected).abs() <= relative * expected.abs(), "{what}: {got} is not {expected}");
}

/// Betas that were made for 1000 levels leave signal at the last of 100: every command that uses the schedule says how much.
#[test]
fn a_schedule_that_ends_far_from_noise_is_named_with_its_figure() {
    let folder = tempfile::tempdir().unwrap();
    let target = r#"{"kind":"gaussian","mean":[0],"var":[1]}"#;
    std::fs::write(folder.path().join("g.json"), target).unwrap();
    let said = |arguments: &[&str]| {
        let output = plain_ddpm(folder.path()).args(arguments).assert().success().get_output().clone();
        String::from_utf8(output.stderr).unwrap()
    };
    let short = ["--beta-start", "1e-4", "--beta-end", "0.02"];
    let sample = ["sample", "--target", "g.json", "--num", "2", "--train-steps", "100", "--device", "cpu"];
    let decompose = ["decompose", "--target", "g.json", "--steps", "5", "--train-steps", "100"];
    for command in [&["schedule", "--steps", "100"][..], &sample, &decompose] {
        let text = said(&[command, &short[..]].concat());
        assert!(text.contains("ratio is 0.571 (alpha-bar 0.364)"), "{command:?}: {text}");
        assert!(!said(command).contains("far from pure noise"), "{command:?}");
    }
}

#[test]
fn the_linear_schedule_is_that_of_ho_et_al() {
    let folder = tempfile::tempdir().unwrap();
    let value = json(folder.path(), &["--schedule", "linear", "--steps", "1000"]);
    assert_eq!((value["schedule"].as_str(), value["steps"].as_u64()), (Some("linear"), Some(1000)));
    let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["schedule", "steps", "beta", "alpha_bar", "snr", "posterior_variance"]);
    let [beta, alpha_bar, snr, posterior] =
        ["beta", "alpha_bar", "snr", "posterior_variance"].map(|key| list(&value, key));
    // The running product, written out.
    let mut product = 1.0;
    for t in 0..1000 {
        let before = product;
        let expected = 1e-4 + (0.02 - 1e-4) * t as f64 / 999.0;
        product *= 1.0 - expected;
        close("beta", beta[t], expected, 1e-11);
        close("alpha_bar", alpha_bar[t], product, 1e-11);
        close("snr", snr[t], product / (1.0 - product), 1e-11);
        close("posterior", posterior[t], expected * (1.0 - before) / (1.0 - product), 1e-10);
    }
    // Fewer levels add the same noise.
    let short = json(folder.path(), &["--steps", "100"]);
    close("0.1/T", list(&short, "beta")[0], 1e-3, 1e-12);
    close("20/T", list(&short, "beta")[99], 0.2, 1e-12);
}

#[test]
fn betas_and_alpha_bars_come_from_files_and_go_round() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("betas.txt", "0.1\n\n 0.25 \n5e-1\n");
    let value = json(folder.path(), &["--betas", "betas.txt"]);
    assert_eq!(value["schedule"], "betas");
    for (got, expected) in list(&value, "alpha_bar").into_iter().zip([0.9, 0.675, 0.3375]) {
        close("alpha_bar", got, expected, 1e-14);
    }
    write("bars.json", &value["alpha_bar"].to_string());
    let back = json(folder.path(), &["--alpha-bars", "bars.json"]);
    for (got, expected) in list(&back, "beta").into_iter().zip([0.1, 0.25, 0.5]) {
        close("beta", got, expected, 1e-12);
    }
    let zero = json(folder.path(), &["--betas", "betas.txt", "--zero-terminal-snr"]);
    assert_eq!(list(&zero, "snr")[2], 0.0);
}

#[test]
fn the_table_the_file_and_the_picture() {
    let folder = tempfile::tempdir().unwrap();
    let output = plain_ddpm(folder.path())
        .args(["schedule", "--schedule", "cosine", "--json", "cosine.json", "--plot", "cosine.svg"])
        .assert()
        .success();
    let table = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    assert!(table.starts_with("cosine, 1000 levels"), "{table}");
    assert_eq!(table.lines().count(), 2 + 21 + 1, "{table}");
    assert!(table.lines().nth(22).unwrap().trim_start().starts_with("999 "), "{table}");
    let value: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("cosine.json")).unwrap()).unwrap();
    // improved-diffusion caps the last beta.
    close("last beta", list(&value, "beta")[999], 0.999, 1e-12);
    let picture = std::fs::read_to_string(folder.path().join("cosine.svg")).unwrap();
    for name in ["alpha-bar", "signal-to-noise ratio", "posterior variance"] {
        assert!(picture.contains(name), "{name} is not in the picture");
    }
    let all = plain_ddpm(folder.path()).args(["schedule", "--steps", "40", "--all"]).assert().success();
    assert_eq!(all.get_output().stdout.iter().filter(|&&byte| byte == b'\n').count(), 42);
}

#[test]
fn what_cannot_be_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("words.txt", "0.1\nmuch\n");
    write("big.txt", "0.1\n1.5\n");
    write("empty.txt", "\n");
    write("broken.json", "[0.1, \"a\"]");
    for (arguments, expected) in [
        (&["--schedule", "line"][..], "unknown schedule \"line\"; expected one of linear, "),
        (&["--steps", "0"], "train_steps must be at least 1, got 0"),
        (&["--schedule", "cosine", "--beta-end", "0.1"], "\"cosine\" does not take key \"beta_end\""),
        (&["--schedule", "betas"], "needs key \"betas\""),
        (&["--beta-end", "1.5"], "betas[666] must be between 0 and 1"),
        (&["--schedule", "karras", "--sigma-min", "90"], "sigma"),
        (&["--betas", "words.txt"], "words.txt: line 2: expected a number, got \"much\""),
        (&["--betas", "big.txt"], "big.txt: "),
        (&["--betas", "empty.txt"], "empty.txt: "),
        (&["--betas", "broken.json"], "broken.json: expected a list of numbers"),
        (&["--betas", "nowhere.txt"], "nowhere.txt: No such file"),
        (&["--betas", "big.txt", "--alpha-bars", "big.txt"], "cannot be used with"),
        (&["--plot", "nowhere/a.svg"], "nowhere/a.svg"),
        (&["--json", "nowhere/a.json"], "nowhere/a.json"),
    ] {
        let output = plain_ddpm(folder.path()).arg("schedule").args(arguments).assert().code(2);
        let text = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        assert!(text.starts_with("error: ") && text.lines().count() == 1, "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
        assert!(output.get_output().stdout.is_empty(), "{arguments:?} printed a result");
    }
}
