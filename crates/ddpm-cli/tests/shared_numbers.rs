//! One number a quantity: of a run `denoising_error.json`, the classical terms, the decomposition, both pages and `ddpm decompose` on the
//! checkpoint agree; of a closed-form target the page, its data, the JSON and the terminal.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{TINY, ddpm, set};
use ddpm_core::interval::{CONFIDENCE, Estimate, Interval};
use ddpm_report::kit::number;
use ddpm_report::results::DecomposeReport;
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

/// Text without tags and kinds of spaces.
fn plain(html: &str) -> String {
    let text: String =
        html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect();
    let text = text.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">");
    unwrapped(&text.replace(['\u{202f}', '\u{a0}'], " "))
}

/// The cells of all tables of a page as (caption, row, column, text); the first cell names the row.
fn cells(page: &str) -> Vec<[String; 4]> {
    let between = |text: &str, tag: &str| -> Vec<String> {
        text.split(&format!("<{tag}"))
            .skip(1)
            .map(|part| {
                let body = part.split(&format!("</{tag}>")).next().unwrap();
                plain(body.split_once('>').unwrap().1)
            })
            .collect()
    };
    let mut cells = Vec::new();
    for table in page.split("<table>").skip(1).map(|table| table.split("</table>").next().unwrap()) {
        let Some(caption) =
            between(table, "caption").first().and_then(|c| c.split_once(". ").map(|c| c.1.to_owned()))
        else {
            continue;
        };
        let columns = between(table.split("<tbody>").next().unwrap().split_once("<thead>").unwrap().1, "th");
        for row in table.split("<tr>").skip(2) {
            let row = between(row, "td");
            for (column, text) in columns.iter().zip(&row).skip(1) {
                cells.push([caption.clone(), row[0].clone(), column.clone(), text.clone()]);
            }
        }
    }
    cells
}

/// The numbers that two lists of cells share and show differently.
fn differences(a: &[[String; 4]], b: &[[String; 4]]) -> Vec<String> {
    let shared = a.iter().flat_map(|a| b.iter().filter(|b| a[..3] == b[..3]).map(move |b| (a, b)));
    shared.filter(|(a, b)| a[3] != b[3]).map(|(a, b)| format!("{a:?} {b:?}")).collect()
}

/// Whether one of the cells has this caption (its beginning), row, column (its beginning) and number.
fn has(cells: &[[String; 4]], caption: &str, row: &str, column: &str, number: &str) -> bool {
    let number = plain(number);
    cells.iter().any(|cell| {
        cell[0].starts_with(caption) && cell[1] == row && cell[2].starts_with(column) && cell[3] == number
    })
}

/// What the tables of a decomposition must show: (caption, row, column, number), from its JSON.
fn expected(result: &DecomposeReport) -> Vec<(&'static str, &'static str, &'static str, String)> {
    let mut cells = Vec::new();
    let of = |key: &str, value: f64| {
        let [low, high] = result.intervals.as_ref().unwrap()[key];
        number::interval(&Interval { value, low, high })
    };
    for (row, key, value) in [
        ("discretization", "discretization_nats", result.discretization_nats),
        ("training", "training_nats", result.training_nats),
        ("total", "total_nats", result.total_nats),
    ] {
        cells.push(("Terms of KL", row, "nats", of(key, value.unwrap())));
    }
    cells.push((
        "Terms of KL",
        "initialization",
        "nats",
        format!("at least {}", number::number(result.init_nats.unwrap())),
    ));
    let network = result.network.as_ref().unwrap();
    for floor in &network.floors {
        for (row, value) in [
            ("L_T", floor.l_t_nats),
            ("discretization", floor.discretization_nats),
            ("training", floor.training_nats),
            ("information (no error)", floor.info_nats),
            ("L_0", floor.l_0_nats),
            ("variational bound", floor.vlb_nats),
        ] {
            cells.push(("Parts of the variational bound", row, floor.floor.into(), number::interval(&value)));
        }
    }
    for bound in &network.bounds {
        for (row, value) in [("bits/dim", bound.vlb_bits_per_dim), ("nats", bound.vlb_nats)] {
            cells.push(("The variational bound", row, bound.images.in_words(), number::interval(&value)));
        }
    }
    let (memorization, training) = (network.memorization.unwrap(), network.training.unwrap());
    for (row, value) in [
        ("memorization", memorization.nats),
        ("full memorization", memorization.memorizer_nats),
        ("training error, at least", training.lower_nats),
        ("training error, at most", training.upper_nats),
    ] {
        cells.push(("Memorization", row, "nats", number::interval(&value)));
    }
    let (classical, floor) = (result.classical.unwrap(), &network.floors[0]);
    for (row, value) in [
        ("initialization", number::number(classical.w2_init)),
        ("training", number::interval(&floor.mse_sum)),
        ("of which irreducible", number::number(classical.mmse_sum.unwrap())),
        ("discretization", number::number(classical.discretization_max)),
    ] {
        cells.push(("The classical error terms", row, "value", value));
    }
    cells
}

#[test]
fn all_results_of_a_run_agree() {
    let folder = tempfile::tempdir().unwrap();
    ddpm(folder.path())
        .args(["reproduce", "digits", "--run", "run"])
        .args(set(&TINY))
        // A grid that visits the lowest level, to which the page's sweeps continue every grid.
        .args(set(&["train.steps=6", "eval.levels=6", "sample.grid=\"linspace\""]))
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

    // The tables of both pages.
    let (page, details) =
        (text(&run.join("report/index.html")), text(&run.join("report/decomposition/index.html")));
    let (own, of_details) = (cells(&page), cells(&details));
    let result: DecomposeReport = serde_json::from_value(decomposition.clone()).unwrap();
    let expected = expected(&result);
    for (caption, row, column, number) in &expected {
        assert!(
            has(&of_details, caption, row, column, number),
            "{caption}{row}, {column}: {number}; {of_details:?}"
        );
    }
    assert_eq!(differences(&own, &of_details), Vec::<String>::new());
    for (split, images) in [("train", "training images"), ("held-out", "held-out images")] {
        let sum: Estimate =
            serde_json::from_value(entry(&file["sums"], "split", split)["mse_sum"].clone()).unwrap();
        let shown = number::interval(&sum.interval(CONFIDENCE));
        assert!(has(&own, "Errors over all levels", images, "Σ E|x₀", &shown), "{shown}; {own:?}");
        assert!(split == "held-out" || has(&own, "The classical error terms", "training", "value", &shown));
    }
    // The comparison sees a number that is off by one digit.
    let row = of_details
        .iter()
        .position(|cell| cell[0].starts_with("The classical") && cell[1] == "training")
        .unwrap();
    let mut off = of_details.clone();
    off[row][3] = off[row][3].replacen(|c: char| c.is_ascii_digit(), "x", 1);
    assert_eq!(differences(&own, &off).len(), 1);

    // What is plotted at the number of steps in use is the sum of the terms.
    let used = &entry(&data["sweeps"][0]["curves"], "name", "fixed-large")["points"];
    let used = used.as_array().unwrap().iter().find(|point| point["steps"] == 10).unwrap();
    let value = |object: &Value, key: &str| object[key].as_f64().unwrap();
    let sum = value(&decomposition, "discretization_nats") + value(&decomposition, "training_nats");
    assert!((value(used, "value") / sum - 1.0).abs() < 1e-9, "{used} {sum}");
    assert_eq!(data["result"], decomposition);
    for json in [&file, &classical, &decomposition, &data] {
        assert_eq!(json["format"], 1);
    }
    for sentence in decomposition["advice"].as_array().unwrap() {
        let sentence = sentence.as_str().unwrap();
        assert!(page.contains(sentence) && details.contains(sentence), "{sentence}");
    }

    // The same measurement on the command line.
    let arguments = [
        ["--checkpoint", "run/checkpoints/latest"],
        ["--data", "digits"],
        ["--steps", "10"],
        ["--levels", "6"],
        ["--grid", "linspace"],
    ]
    .concat();
    let output =
        ddpm(folder.path()).arg("decompose").args(&arguments).args(["--json", "-"]).assert().success();
    let mut again: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    again["checkpoint"] = decomposition["checkpoint"].clone();
    assert_eq!(again, decomposition);
    let output = ddpm(folder.path()).arg("decompose").args(&arguments).assert().success();
    let printed = unwrapped(&String::from_utf8(output.get_output().stdout.clone()).unwrap());
    for sentence in decomposition["advice"].as_array().unwrap() {
        assert!(printed.contains(&unwrapped(sentence.as_str().unwrap())), "{printed}");
    }
    let words = printed.replace("\u{202f}", " ");
    for (caption, row, column, number) in &expected {
        assert!(words.contains(&plain(number)), "{caption}{row}, {column}: {number}; {words}");
    }

    // A file of another version is measured anew by the same command.
    let path = run.join("report/decomposition.json");
    std::fs::write(&path, text(&path).replacen("\"format\": 1", "\"format\": 7", 1)).unwrap();
    ddpm(folder.path())
        .args(["reproduce", "digits", "--run", "run"])
        .args(set(&TINY))
        .args(set(&["train.steps=6", "eval.levels=6", "sample.grid=\"linspace\""]))
        .assert()
        .success();
    assert_eq!(read(&path), decomposition);
}

#[test]
fn all_results_of_a_target_agree() {
    let folder = tempfile::tempdir().unwrap();
    let target = r#"{"kind":"mixture","weights":[0.4,0.6],"means":[[-1,0],[1,0.5]],"stds":[0.25,0.4]}"#;
    std::fs::write(folder.path().join("p.json"), target).unwrap();
    // Its terms are estimated: the page compares settings on other noising paths.
    let arguments = [
        ["--target", "p.json"],
        ["--train-steps", "40"],
        ["--steps", "8"],
        ["--grid", "linspace"],
        ["--images", "60"],
        ["--samples", "100"],
        ["--perturb", "0.1"],
        ["--report", "page"],
        ["--json", "result.json"],
    ]
    .concat();
    let output = ddpm(folder.path()).arg("decompose").args(&arguments).assert().success();
    let printed = unwrapped(&String::from_utf8(output.get_output().stdout.clone()).unwrap());
    let (json, data) =
        (read(&folder.path().join("result.json")), read(&folder.path().join("page/report.json")));
    assert_eq!(data["result"], json);
    assert_eq!((&json["format"], &data["format"]), (&1.into(), &1.into()));
    let page = text(&folder.path().join("page/index.html"));
    let cells = cells(&page);
    let value = |key: &str| json[key].as_f64().unwrap();
    for (row, key) in [
        ("initialization", "init_nats"),
        ("discretization", "discretization_nats"),
        ("training", "training_nats"),
        ("total", "total_nats"),
    ] {
        let interval = Interval::normal(value(key), json["stderr"][key].as_f64().unwrap());
        let shown = number::at_least_zero(&interval);
        assert!(has(&cells, "Terms of KL", row, "nats", &shown), "{row}: {shown}; {cells:?}");
        assert!(printed.contains(&plain(&shown)), "{row}: {shown}; {printed}");
        // The sentences at the top have the numbers of the table.
        let sentence = data["advice"][if key == "total_nats" { 2 } else { 0 }].as_str().unwrap();
        assert!(row == "initialization" || sentence.contains(&shown), "{sentence} {shown}");
    }
    for key in ["w2_init", "training_mse_sum", "mmse_sum", "discretization_max"] {
        let shown = number::number(json["classical"][key].as_f64().unwrap());
        assert!(
            cells.iter().any(|cell| cell[0].starts_with("The classical") && cell[3] == plain(&shown)),
            "{key} {shown}"
        );
        assert!(printed.contains(&plain(&shown)), "{key}: {shown}; {printed}");
    }
    let used = &entry(&data["sweeps"][0]["curves"], "name", "fixed-large")["points"];
    let used = used.as_array().unwrap().iter().find(|point| point["steps"] == 8).unwrap();
    assert!((used["value"].as_f64().unwrap() / value("total_nats") - 1.0).abs() < 1e-9, "{used}");
    // W2 is estimated once for the table and the plot.
    for cell in data["ablation"]["cells"].as_array().unwrap() {
        let shown = plain(&number::number(cell["w2"].as_f64().unwrap()));
        assert!(
            cells.iter().any(|cell| cell[0].starts_with("W₂ to the target") && cell[3] == shown),
            "{shown}"
        );
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
