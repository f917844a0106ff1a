//! Arrays of the user's own: trained on, sampled in their own scale, decomposed, and as a target.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{ddpm, set};
use ddpm_nets::tensor_file;
use predicates::str::contains;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use tch::{Kind, Tensor};

const CONFIG: &str = r#"
[data]
name = "tensors"
file = "points.csv"
scale = 100.0

[model]
dim = 2
width = 32

[diffusion.process]
kind = "vp"

[objective]
kind = "denoising"

[train]
steps = 150
batch_size = 128
learning_rate = 2e-3
warmup_steps = 10

[train.ema]
decay = 0.9

[sample]
num = 400
sampler = "ode-heun"
steps = 20

[eval]
levels = 3
samples = 200
"#;

/// 200 points around (150, -100) and (-50, 80), as a table with names.
fn write_points(folder: &Path) {
    let mut text = String::from("length,width\n");
    for k in 0..200 {
        let (a, b) = ((f64::from(k) * 0.7).sin() * 8.0, (f64::from(k) * 1.3).cos() * 8.0);
        let (x, y) = if k % 2 == 0 { (150.0 + a, -100.0 + b) } else { (-50.0 + a, 80.0 + b) };
        writeln!(text, "{x},{y}").unwrap();
    }
    fs::write(folder.join("points.csv"), text).unwrap();
}

fn mean(x: &Tensor) -> [f64; 2] {
    let mean = x.mean_dim([0i64].as_slice(), false, Kind::Double);
    [mean.double_value(&[0]), mean.double_value(&[1])]
}

fn samples(path: &Path) -> Tensor {
    tensor_file::read(path).unwrap().remove("samples").unwrap()
}

#[test]
fn a_network_on_an_array_is_trained_in_unit_size_and_sampled_in_the_arrays_own() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_points(folder);
    fs::write(folder.join("mine.toml"), CONFIG).unwrap();
    ddpm(folder).args(["reproduce", "mine.toml", "--run", "run"]).assert().success();
    let scheduler =
        fs::read_to_string(folder.join("run/checkpoints/latest/scheduler/scheduler_config.json")).unwrap();
    assert!(scheduler.contains("\"data_scale\": 100.0"), "{scheduler}");
    let command =
        ["sample", "--checkpoint", "run/checkpoints/latest", "--sampler", "ode-heun", "--steps", "20"];
    ddpm(folder).args(command).args(["--num", "400", "--out", "a.safetensors"]).assert().success();
    let [x, y] = mean(&samples(&folder.join("a.safetensors")));
    // The data's mean is (50, -10); a network of 150 steps is near it.
    assert!((x - 50.0).abs() < 20.0 && (y + 10.0).abs() < 20.0, "{x} {y}");
}

#[test]
fn an_array_is_a_target_with_an_ideal_denoiser() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_points(folder);
    fs::write(folder.join("e.json"), r#"{"kind":"empirical","file":"points.csv","scale":100}"#).unwrap();
    ddpm(folder)
        .args(
            "sample --target e.json --steps 100 --num 300 --trajectory t.svg --out a.safetensors".split(' '),
        )
        .assert()
        .success();
    // The last step of the ideal denoiser goes to a point of the array.
    let found = samples(&folder.join("a.safetensors"));
    let rows: Vec<f64> = fs::read_to_string(folder.join("points.csv"))
        .unwrap()
        .lines()
        .skip(1)
        .flat_map(|line| {
            line.split(',').map(|value| value.parse::<f64>().unwrap() / 100.0).collect::<Vec<_>>()
        })
        .collect();
    let points = Tensor::from_slice(&rows).reshape([1, 200, 2]).to_kind(Kind::Float);
    let distances =
        (found.unsqueeze(1) - points).square().sum_dim_intlist([2i64].as_slice(), false, Kind::Float).sqrt();
    let nearest = distances.amin([1i64].as_slice(), false).max().double_value(&[]);
    assert!(nearest < 0.05, "{nearest}");
    ddpm(folder).args("decompose --target e.json --steps 20 --json d.json".split(' ')).assert().success();
    let report: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("d.json")).unwrap()).unwrap();
    assert!(report.to_string().contains("total"), "{report}");
}

#[test]
fn what_is_wrong_with_an_array_or_its_keys_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_points(folder);
    fs::write(folder.join("mine.toml"), CONFIG).unwrap();
    fs::write(folder.join("three.csv"), "1,2,3\n4,5,6\n").unwrap();
    for (change, text) in [
        ("data.file=none.csv", "none.csv"),
        ("data.file=three.csv", "model.dim must be 3 like the data, got 2"),
        ("data.scale=0", "scale must be positive, got 0"),
        ("data.tensor=points", "expected no name of a tensor"),
        ("data.name=arrays", "arrays"),
    ] {
        ddpm(folder)
            .args(["train", "--config", "mine.toml", "--run", "run"])
            .args(set(&[change]))
            .assert()
            .code(2)
            .stderr(contains(text));
    }
    ddpm(folder)
        .args(["train", "--config", "gmm2d-ddpm", "--run", "run", "--set", "data.scale=2"])
        .assert()
        .code(2)
        .stderr(contains("data.scale has no effect without data.name = \"tensors\""));
    fs::write(folder.join("e.json"), r#"{"kind":"empirical","file":"none.npy"}"#).unwrap();
    ddpm(folder).args("sample --target e.json".split(' ')).assert().code(2).stderr(contains("none.npy"));
}
