//! `ddpm decompose` on mixtures: W2 from samples, and the page.
// A failed unwrap is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::ddpm;
use serde_json::Value;
use std::path::Path;

const MIXTURE: &str = r#"{"kind":"mixture","weights":[0.3,0.7],"means":[[-1.5],[1]],"stds":[0.25,0.4]}"#;
const PLANE: &str = r#"{"kind":"mixture","weights":[0.4,0.6],"means":[[-1,0],[1,0.5]],"stds":[0.25,0.4]}"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("m.json"), MIXTURE).unwrap();
    std::fs::write(folder.path().join("p.json"), PLANE).unwrap();
    folder
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = ddpm(folder).arg("decompose").args(arguments).args(["--json", "-"]).assert().success();
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

#[test]
fn w2_of_a_mixture_comes_from_samples_with_its_floor_and_intervals() {
    let folder = folder();
    let arguments = ["--target", "m.json", "--w2", "--sampler", "ddim", "--steps", "40", "--samples", "1500"];
    let value = json(folder.path(), &[&arguments[..], &["--perturb", "0.3"]].concat());
    let ablation = &value["w2_ablation"];
    assert_eq!((&ablation["method"], &ablation["samples"]), (&"samples".into(), &1500.into()));
    let cells = ablation["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 8);
    let cell = |start: &str, steps: &str, denoiser: &str| {
        cells
            .iter()
            .find(|c| c["start"] == start && c["steps"] == steps && c["denoiser"] == denoiser)
            .unwrap()
            .clone()
    };
    assert_eq!(value["w2"]["from_normal"], cell("prior", "steps", "given")["w2"]);
    assert_eq!(value["w2"]["from_marginal"], cell("marginal", "steps", "given")["w2"]);
    assert_eq!(value["w2"]["continuous_from_normal"], cell("prior", "fine", "ideal")["w2"]);
    // With all errors off the samples are as far as exact ones, to within what samples leave open; an error of 0.3 is seen plainly.
    let off = cell("marginal", "fine", "ideal");
    let floor = number(&ablation["noise_floor"]["w2"]);
    assert!(floor > 0.0 && number(&off["w2"]) < 5.0 * floor, "{ablation}");
    let on = cell("marginal", "fine", "given");
    assert!(number(&on["interval"][0]) > 0.3, "{on}");
    // Without an error of the denoiser half of the table is left out; the same seed gives the same numbers.
    let ideal = json(folder.path(), &arguments);
    assert_eq!(ideal["w2_ablation"]["cells"].as_array().unwrap().len(), 4);
    assert_eq!(ideal, json(folder.path(), &arguments));
    assert_ne!(ideal["w2"], json(folder.path(), &[&arguments[..], &["--seed", "1"]].concat())["w2"]);
}

#[test]
fn samplers_without_a_law_of_their_own_are_measured_too() {
    let folder = folder();
    for (target, method) in [("m.json", "samples"), ("p.json", "sliced-samples")] {
        let arguments = ["--target", target, "--w2", "--sampler", "ode-rk45", "--rtol", "1e-3"];
        let value = json(folder.path(), &[&arguments[..], &["--steps", "10", "--samples", "250"]].concat());
        assert_eq!(value["w2_ablation"]["method"], method);
        assert!(number(&value["w2"]["from_normal"]) > 0.0);
    }
}

#[test]
fn the_page_stands_by_itself_and_its_data_lie_beside_it() {
    let folder = folder();
    let arguments = ["--target", "m.json", "--train-steps", "60", "--steps", "20", "--perturb", "0.1"];
    // A grid that visits the lowest level, to which the page's sweeps continue every grid.
    let page_options =
        ["--grid", "linspace", "--report", "page", "--samples", "400", "--variance", "analytic"];
    let result = json(folder.path(), &[&arguments[..], &page_options].concat());
    let page = folder.path().join("page");
    let mut names: Vec<_> = std::fs::read_dir(&page)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["index.html", "report.json"]);
    let html = std::fs::read_to_string(page.join("index.html")).unwrap();
    for text in ["The terms", "classical", "Terms by noise level", "One error at a time", "Samples"] {
        assert!(html.contains(text), "{text}");
    }
    assert!(!html.contains("src=\"http") && !html.contains("@import"), "loads something");
    let data: Value = serde_json::from_slice(&std::fs::read(page.join("report.json")).unwrap()).unwrap();
    assert_eq!(data["result"], result);
    assert_eq!(data["advice"].as_array().unwrap().len(), 3);
    assert_eq!(data["ablation"]["cells"].as_array().unwrap().len(), 8);
    // What is plotted at the steps in use is the result.
    let total = data["sweeps"][0]["curves"]
        .as_array()
        .unwrap()
        .iter()
        .find(|curve| curve["name"] == "analytic")
        .and_then(|curve| curve["points"].as_array().unwrap().iter().find(|point| point["steps"] == 20))
        .unwrap();
    assert!((number(&total["value"]) / number(&result["total_nats"]) - 1.0).abs() < 1e-9, "{total}");
    // Over an existing page.
    ddpm(folder.path())
        .args(["decompose", "--target", "m.json", "--train-steps", "60", "--steps", "5", "--samples", "100"])
        .args(["--report", "page"])
        .assert()
        .success();
    assert_ne!(std::fs::read_to_string(page.join("index.html")).unwrap(), html);
    assert_eq!(std::fs::read_dir(&page).unwrap().count(), 2);
}
