//! One run, one number a quantity: `denoising_error.json`, the classical terms, the decomposition, both pages and `ddpm decompose` on the
//! checkpoint agree.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{TINY, ddpm, set};
use serde_json::Value;
use std::path::Path;

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// A text without its line breaks and kinds of spaces: the terminal wraps lines.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The entry of a list whose `key` is `value`.
fn entry<'a>(list: &'a Value, key: &str, value: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|entry| entry[key] == value).unwrap()
}

/// The numbers in the second column of the rows with this name, in all tables of a page.
fn shown(page: &str, name: &str) -> Vec<f64> {
    let row = format!("<td>{name}</td><td class=\"number\">");
    page.split(&row).skip(1).map(|rest| leading_number(rest.split("</td>").next().unwrap())).collect()
}

/// The number that a cell begins with: `18\u{202f}734 ± 260`, `at least 0.0123`, `1.2×10⁻⁷`.
fn leading_number(cell: &str) -> f64 {
    let cell: String = cell
        .trim_start_matches("at least ")
        .chars()
        .filter(|c| !matches!(c, '\u{202f}' | '\u{a0}' | '('))
        .collect();
    let cell = cell.replace('−', "-");
    let digits =
        |text: &str| text.chars().take_while(|c| matches!(c, '0'..='9' | '.' | '-')).collect::<String>();
    let mantissa: f64 = digits(&cell).parse().unwrap();
    let Some((_, power)) = cell.split_once("×10") else { return mantissa };
    let places = "⁰¹²³⁴⁵⁶⁷⁸⁹";
    let exponent: String = power
        .chars()
        .map_while(|c| match c {
            '⁻' => Some('-'),
            c => char::from_digit(places.chars().position(|place| place == c)? as u32, 10),
        })
        .collect();
    mantissa * 10f64.powi(exponent.parse().unwrap())
}

/// Every number that a page shows under this name is one of `values`, and each of them is shown, rounded as pages do.
fn assert_shown(page: &str, name: &str, values: &[f64]) {
    let shown = shown(page, name);
    let close = |a: f64, b: f64| (a - b).abs() <= 0.01 * b.abs() + 1e-12;
    assert!(shown.iter().all(|&a| values.iter().any(|&b| close(a, b))), "{name}: {shown:?} {values:?}");
    assert!(values.iter().all(|&b| shown.iter().any(|&a| close(a, b))), "{name}: {shown:?} {values:?}");
}

#[test]
fn all_results_of_a_run_agree() {
    let folder = tempfile::tempdir().unwrap();
    ddpm(folder.path())
        .args(["reproduce", "digits", "--run", "run"])
        .args(set(&TINY))
        .args(set(&["train.steps=6", "eval.levels=6"]))
        .assert()
        .success();
    let run = folder.path().join("run");
    let file = read(&run.join("checkpoints/latest/denoising_error.json"));
    let classical = read(&run.join("report/classical.json"));
    let decomposition = read(&run.join("report/decomposition.json"));
    let data = read(&run.join("report/decomposition/report.json"));
    let network = &decomposition["network"];
    let floor = entry(&network["floors"], "floor", "empirical-training");

    // The three classical terms.
    let train = &entry(&file["sums"], "split", "train")["mse_sum"];
    assert_eq!(&classical["training"], train);
    assert_eq!(classical["terms"], decomposition["classical"]);
    assert_eq!(classical["terms"]["training_mse_sum"], train["mean"]);
    assert_eq!(floor["mse_sum"]["value"], classical["terms"]["training_mse_sum"]);
    assert_eq!(floor["floor_sum"]["value"], classical["terms"]["mmse_sum"]);

    // The errors level by level.
    for (level, measured) in network["levels"]
        .as_array()
        .unwrap()
        .iter()
        .zip(file["levels"].as_array().unwrap().iter().filter(|level| level["split"] == "train"))
    {
        assert_eq!((&level["t"], &level["snr"]), (&measured["t"], &measured["snr"]));
        assert_eq!(level["train"]["value"], measured["mse"]);
    }

    // Both pages.
    let (page, details) =
        (text(&run.join("report/index.html")), text(&run.join("report/decomposition/index.html")));
    let value = |object: &Value, key: &str| object[key].as_f64().unwrap();
    let terms = &classical["terms"];
    for (name, key, nats) in [
        ("initialization", "w2_init", Some("init_nats")),
        ("training", "training_mse_sum", Some("training_nats")),
        ("of which irreducible", "mmse_sum", None),
        ("discretization", "discretization_max", Some("discretization_nats")),
        ("total", "", Some("total_nats")),
    ] {
        let classical = terms.get(key).and_then(Value::as_f64);
        let nats = nats.map(|key| value(&decomposition, key));
        if let Some(classical) = classical {
            assert_shown(&page, name, &[classical]);
        }
        assert_shown(&details, name, &classical.into_iter().chain(nats).collect::<Vec<_>>());
    }
    assert_eq!(data["result"], decomposition);
    assert_eq!(decomposition["format"], 1);
    for sentence in decomposition["advice"].as_array().unwrap() {
        let sentence = sentence.as_str().unwrap();
        assert!(page.contains(sentence) && details.contains(sentence), "{sentence}");
    }

    // The same measurement on the command line.
    let arguments =
        ["--checkpoint", "run/checkpoints/latest", "--data", "digits", "--steps", "10", "--levels", "6"];
    let output =
        ddpm(folder.path()).arg("decompose").args(arguments).args(["--json", "-"]).assert().success();
    let mut again: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    again["checkpoint"] = decomposition["checkpoint"].clone();
    assert_eq!(again, decomposition);
    let output = ddpm(folder.path()).arg("decompose").args(arguments).assert().success();
    let printed = unwrapped(&String::from_utf8(output.get_output().stdout.clone()).unwrap());
    for sentence in decomposition["advice"].as_array().unwrap() {
        assert!(printed.contains(&unwrapped(sentence.as_str().unwrap())), "{printed}");
    }
}

#[test]
fn a_learned_variance_is_decomposed_with_another_that_every_result_names() {
    let folder = tempfile::tempdir().unwrap();
    let learned = ["model.out_channels=2", "diffusion.variance=learned-range", "train.loss.kind=hybrid"];
    ddpm(folder.path())
        .args(["reproduce", "digits", "--run", "run"])
        .args(set(&TINY))
        .args(set(&learned))
        .args(set(&["train.steps=4"]))
        .assert()
        .success();
    let run = folder.path().join("run");
    let note = "own variance, learned-range, differs from component to component and cannot be decomposed: all terms are those of variance fixed-large";
    let decomposition = read(&run.join("report/decomposition.json"));
    assert_eq!(decomposition["replaced_variance"], "learned-range");
    assert_eq!(decomposition["variance"], "fixed-large");
    assert!(text(&run.join("report/index.html")).contains(note));
    assert!(text(&run.join("report/decomposition/index.html")).contains(note));

    let arguments =
        ["--checkpoint", "run/checkpoints/latest", "--data", "digits", "--steps", "10", "--levels", "4"];
    let decompose = |more: &[&str]| ddpm(folder.path()).arg("decompose").args(arguments).args(more).assert();
    let output = decompose(&[]).success();
    let printed = unwrapped(&String::from_utf8(output.get_output().stdout.clone()).unwrap());
    assert!(printed.contains(note), "{printed}");
    let output = decompose(&["--variance", "fixed-small", "--json", "-"]).success();
    let chosen: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert!(chosen.get("replaced_variance").is_none() && chosen["variance"] == "fixed-small");
    decompose(&["--variance", "learned-range"])
        .code(2)
        .stderr(predicates::str::contains("choose --variance fixed-small, fixed-large or analytic"));
}
