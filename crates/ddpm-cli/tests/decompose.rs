//! `ddpm decompose`: reference values, the published W2 table, and what is refused.
// A failed unwrap is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::plain_ddpm;
use ddpm_core::recursion::{GaussianDenoiser, w2_errors};
use ddpm_core::{Grid, Process, Schedule, Scheme, Target, TargetSpec, Trajectory, Variance};
use serde_json::{Value, json};
use std::path::Path;

const MIXTURE: &str = r#"{"kind":"mixture","weights":[0.3,0.7],"means":[[-1.5],[1]],"stds":[0.25,0.4]}"#;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn report(folder: &Path, arguments: &[&str]) -> Value {
    let output = plain_ddpm(folder).arg("decompose").args(arguments).args(["--json", "-"]).assert().success();
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

fn close(what: &str, got: &Value, expected: f64, relative: f64) {
    let got = got.as_f64().unwrap_or(f64::NAN);
    assert!((got / expected - 1.0).abs() < relative, "{what}: {got} is not {expected}");
}

#[test]
fn reference_values_of_the_one_dimensional_mixture() {
    let folder = folder(&[("m.json", MIXTURE)]);
    let run = |more: &[&str]| report(folder.path(), &[&["--target", "m.json"], more].concat());
    for (t, expected) in [
        ("1000", 0.003_678_439_7),
        ("500", 0.007_347_234_8),
        ("200", 0.018_298_634_2),
        ("100", 0.036_384_501_4),
    ] {
        let value = run(&["--train-steps", t, "--steps", t, "--variance", "fixed-large"]);
        close(t, &value["discretization_nats"], expected, 1e-5);
    }
    let small = run(&["--variance", "fixed-small"]);
    close("init", &small["init_nats"], 1.261_276_81e-6, 1e-5);
    close("fixed-small", &small["discretization_nats"], 0.452_682_608_4, 1e-5);
    close("truncation", &small["truncation_w2_bound"], 0.010_000_188_2, 1e-5);
    close("ratio", &small["classical"]["discretization_max"], 0.545_319, 1e-5);
    close("classical init", &small["classical"]["w2_init"], 0.2500, 1e-4);
    assert_eq!(small["classical"]["w2_init_kind"], "exact");
    // Known to five digits.
    close("analytic", &run(&["--variance", "analytic"])["discretization_nats"], 0.002_240_2, 3e-5);
    for (variance, disc, train) in
        [("fixed-small", 0.452_682_608_4, 12.498_75), ("fixed-large", 0.003_678_439_7, 7.157_567_4)]
    {
        let value = run(&["--variance", variance, "--perturb", "0.05"]);
        close("disc stays", &value["discretization_nats"], disc, 1e-5);
        close("init stays", &value["init_nats"], 1.261_276_81e-6, 1e-5);
        close("train", &value["training_nats"], train, 1e-5);
    }
    for (variance, expected) in [("fixed-large", 0.069_557_3), ("fixed-small", 0.750_300_7)] {
        let value = run(&["--steps", "50", "--grid", "trailing", "--variance", variance]);
        close("respaced", &value["discretization_nats"], expected, 1e-5);
    }
}

#[test]
fn the_json_has_the_documented_fields_and_its_parts_add_up() {
    let folder = folder(&[("m.json", MIXTURE)]);
    let arguments = ["--target", "m.json", "--steps", "20", "--grid", "leading", "--perturb", "-0.1"];
    let value = report(folder.path(), &arguments);
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        keys(&value),
        [
            "format",
            "target",
            "schedule",
            "steps",
            "variance",
            "dim",
            "init_nats",
            "discretization_nats",
            "training_nats",
            "total_nats",
            "stderr",
            "truncation_w2_bound",
            "classical",
            "per_level"
        ]
    );
    assert_eq!(
        keys(&value["classical"]),
        ["w2_init", "w2_init_kind", "training_mse_sum", "mmse_sum", "discretization_max"]
    );
    let number = |value: &Value| value.as_f64().unwrap();
    let levels = value["per_level"].as_array().unwrap();
    assert_eq!((levels.len(), levels[0]["t"].as_u64(), levels[19]["t"].as_u64()), (20, Some(1), Some(951)));
    assert_eq!(levels[0]["discretization_nats"], Value::Null);
    assert_eq!(
        keys(&levels[1]),
        ["t", "snr", "mmse", "mse", "discretization_nats", "training_nats", "discretization_ratio"]
    );
    for (term, total) in [("discretization_nats", "discretization_nats"), ("training_nats", "training_nats")]
    {
        let sum: f64 = levels[1..].iter().map(|level| number(&level[term])).sum();
        assert!((sum - number(&value[total])).abs() < 1e-12 * (1.0 + sum), "{term}: {sum}");
    }
    let parts = ["init_nats", "discretization_nats", "training_nats"].map(|key| number(&value[key]));
    assert!((parts.iter().sum::<f64>() - number(&value["total_nats"])).abs() < 1e-12);
    assert_eq!(value["stderr"]["total_nats"], 0.0);
    // The same numbers in a file, and a table for people.
    let output =
        plain_ddpm(folder.path()).args(["decompose", "--json", "r.json"]).args(arguments).assert().success();
    let table = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    assert!(table.contains("discretization") && table.contains("16 of 20 levels"), "{table}");
    let text = std::fs::read(folder.path().join("r.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), value);
}

#[test]
fn mixtures_in_the_plane_are_estimated_with_errors() {
    // The second component is independent of the first: the terms of both add up.
    let folder = folder(&[
        ("m.json", MIXTURE),
        ("g.json", r#"{"kind":"gaussian","mean":[0],"var":[0.5]}"#),
        (
            "p.json",
            r#"{"kind":"mixture","weights":[0.3,0.7],"means":[[-1.5,0],[1,0]],
                "covs":[[[0.0625,0],[0,0.5]],[[0.16,0],[0,0.5]]]}"#,
        ),
    ]);
    let run = |name: &str| report(folder.path(), &["--target", name, "--steps", "10", "--seed", "3"]);
    let (m, g, p) = (run("m.json"), run("g.json"), run("p.json"));
    for key in ["init_nats", "discretization_nats"] {
        let exact = m[key].as_f64().unwrap() + g[key].as_f64().unwrap();
        let (got, stderr) = (p[key].as_f64().unwrap(), p["stderr"][key].as_f64().unwrap());
        assert!(
            stderr > 0.0 && (got - exact).abs() < 4.0 * stderr,
            "{key}: {got} +- {stderr} is not {exact}"
        );
    }
}

/// The target with the eigenvalues published with Pierret & Galerne (2025).
fn cifar10() -> String {
    let bytes = include_bytes!("../../ddpm-core/tests/fixtures/cifar10-gaussian-eigenvalues.npy");
    let var: Vec<f64> =
        bytes[128..].chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect();
    json!({"kind": "gaussian", "mean": vec![0.0; var.len()], "var": var}).to_string()
}

#[test]
fn the_published_w2_table_to_every_printed_digit() {
    let folder = folder(&[("c.json", &cifar10())]);
    // Sampler, t_min, and W2 from p_T / from N(0, I) at 50, 250, 500 and 1000 grid points, as printed.
    type Row = (&'static str, &'static str, [(&'static str, &'static str); 4]);
    let table: [Row; 6] = [
        ("em", "0", [("4.78", "4.78"), ("0.65", "0.66"), ("0.32", "0.32"), ("0.16", "0.16")]),
        ("em", "1e-3", [("4.68", "4.68"), ("0.70", "0.70"), ("0.40", "0.40"), ("0.27", "0.27")]),
        ("ddpm", "1e-5", [("6.82", "6.82"), ("0.97", "0.97"), ("0.47", "0.47"), ("0.24", "0.23")]),
        ("ode-euler", "0", [("1.72", "1.78"), ("0.38", "0.44"), ("0.20", "0.26"), ("0.10", "0.17")]),
        ("ode-euler", "1e-3", [("1.73", "1.79"), ("0.42", "0.48"), ("0.27", "0.32"), ("0.21", "0.25")]),
        ("ode-heun", "1e-4", [("4.68", "4.68"), ("0.43", "0.44"), ("0.12", "0.14"), ("0.03", "0.08")]),
    ];
    for (sampler, t_min, values) in table {
        for (steps, expected) in ["49", "249", "499", "999"].into_iter().zip(values) {
            let value = report(
                folder.path(),
                &[
                    "--target",
                    "c.json",
                    "--w2",
                    "--process",
                    "vp",
                    "--sampler",
                    sampler,
                    "--steps",
                    steps,
                    "--t-min",
                    t_min,
                ],
            );
            let printed = |key: &str| format!("{:.2}", value["w2"][key].as_f64().unwrap());
            assert_eq!(
                (printed("from_marginal").as_str(), printed("from_normal").as_str()),
                expected,
                "{sampler} {t_min} {steps}: {value}"
            );
        }
    }
    let continuous = |sampler: &str, t_min: &str| {
        let arguments = [
            "--target",
            "c.json",
            "--w2",
            "--process",
            "vp",
            "--sampler",
            sampler,
            "--steps",
            "10",
            "--t-min",
            t_min,
        ];
        report(folder.path(), &arguments)
    };
    let sde = continuous("ei", "1e-3");
    let keys: Vec<&String> = sde.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["format", "target", "process", "sampler", "steps", "dim", "w2"], "no divergences");
    close("truncation", &sde["w2"]["continuous_from_marginal"], 0.1781, 3e-4);
    close("initialization, SDE", &continuous("ei", "0")["w2"]["continuous_from_normal"], 6.68e-4, 1e-3);
    close("initialization, ODE", &continuous("ode-euler", "0")["w2"]["continuous_from_normal"], 0.0730, 1e-3);
}

#[test]
fn w2_is_that_of_the_library_for_any_levels_sampler_and_error() {
    let folder = folder(&[("g.json", r#"{"kind":"gaussian","mean":[0.5,-1],"cov":[[1,0.3],[0.3,0.5]]}"#)]);
    let spec: TargetSpec =
        serde_json::from_slice(&std::fs::read(folder.path().join("g.json")).unwrap()).unwrap();
    let Target::Gaussian(law) = spec.build().unwrap() else { panic!("not a Gaussian") };
    let schedule = Schedule::cosine(500).unwrap();
    let visited = Grid::Leading.visit(&schedule, 40).unwrap();
    let discrete = Trajectory::discrete(&schedule, &visited).unwrap();
    let mse = |trajectory: &Trajectory| {
        let levels = &trajectory.levels()[..trajectory.steps()];
        levels.iter().map(|level| law.mmse(level) / 2.0).collect::<Vec<f64>>()
    };
    let times = Grid::LogSnr.times(&Process::VP, 40, 0.01).unwrap();
    let continuous = Trajectory::continuous(&Process::VP, &times).unwrap();
    let cosine = ["--schedule", "cosine", "--train-steps", "500", "--grid", "leading"];
    let vp = ["--process", "vp", "--t-min", "0.01", "--grid", "log-snr"];
    let analytic = Scheme::Ddpm { variance: Variance::Analytic };
    for (levels, sampler, trajectory, scheme, error) in [
        (cosine, &["ddim", "--eta", "0.5"][..], &discrete, Scheme::ddim(0.5), 0.0),
        (cosine, &["ddpm", "--variance", "analytic"], &discrete, analytic, 0.0),
        (cosine, &["dpmpp-3m", "--perturb", "0.1"], &discrete, Scheme::Dpmpp3m, 0.1),
        (vp, &["ddpm", "--variance", "analytic"], &continuous, analytic, 0.0),
        (vp, &["unipc"], &continuous, Scheme::Unipc, 0.0),
    ] {
        let fixed = ["--target", "g.json", "--w2", "--steps", "40"];
        let value = report(folder.path(), &[&fixed[..], &levels[..], &["--sampler"], sampler].concat());
        let trajectory = trajectory.clone().with_mse(mse(trajectory)).unwrap();
        let expected = w2_errors(&GaussianDenoiser::new(&law, error), &trajectory, &scheme).unwrap();
        assert_eq!(value["steps"], 40);
        for (key, expected) in [
            ("from_marginal", expected.from_marginal),
            ("from_normal", expected.from_normal),
            ("continuous_from_marginal", expected.continuous_from_marginal),
            ("continuous_from_normal", expected.continuous_from_normal),
        ] {
            let got = value["w2"][key].as_f64().unwrap();
            assert!((got - expected).abs() <= 1e-12, "{levels:?} {sampler:?} {key}: {got} {expected}");
        }
    }
}

#[test]
fn what_cannot_be_is_refused_in_one_line() {
    let folder = folder(&[("m.json", MIXTURE), ("g.json", r#"{"kind":"gaussian","mean":[0],"var":[1]}"#)]);
    for (arguments, expected) in [
        (&["m.json", "--steps", "0"][..], "--steps must be at least 1"),
        (&["m.json", "--steps", "1001"], "steps must be between 1 and the 1000 training levels, got 1001"),
        (&["m.json", "--perturb", "nan"], "--perturb must be a finite number"),
        (&["m.json", "--variance", "learned-range"], "needs a network"),
        (&["m.json", "--sampler", "ddim"], "for ddim add --w2"),
        (&["m.json", "--process", "vp"], "--process goes with --w2"),
        (&["g.json", "--w2", "--samples", "100"], "--samples is for mixtures"),
        (&["m.json", "--w2", "--samples", "1"], "1 is not in 2.."),
        (&["m.json", "--w2", "--sampler", "langevin"], "langevin stays at one"),
        (&["m.json", "--w2", "--variance", "learned-range"], "needs a network"),
        (&["m.json", "--report", "g.json"], "g.json: expected a folder for the report, got a file"),
        (&["m.json", "--report", "g.json/below"], "the folder g.json does not exist"),
        (&["m.json", "--report", "/proc/1/nowhere"], "the report cannot be written here"),
        (&["m.json", "--t-min", "0.1"], "--process"),
        (&["g.json", "--w2", "--sampler", "langevin"], "langevin stays at one"),
        (&["g.json", "--w2", "--sampler", "ode-rk45"], "ode-rk45 chooses its steps"),
        (
            &["g.json", "--w2", "--sampler", "em", "--eta", "1"],
            "--eta belongs to the sampler ddim, not to em",
        ),
        (&["g.json", "--w2", "--process", "vp", "--t-min", "2"], "t-min must be"),
        (&["g.json", "--w2", "--process", "vp", "--sampler", "ode-heun", "--t-min", "0"], "above 0"),
        (&["g.json", "--w2", "--process", "vp", "--schedule", "cosine"], "cannot be used with"),
        (&["nowhere.json"], "nowhere.json: No such file"),
        (&["m.json", "--json", "nowhere/r.json"], "nowhere/r.json"),
    ] {
        let output =
            plain_ddpm(folder.path()).args(["decompose", "--target"]).args(arguments).assert().code(2);
        let text = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        assert!(text.starts_with("error: ") && text.lines().count() == 1, "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
        assert!(output.get_output().stdout.is_empty(), "{arguments:?} printed a result");
    }
}

#[test]
fn the_tables_fit_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let target = r#"{"kind":"gaussian","mean":[0.5],"cov":[[2.0]]}"#;
    std::fs::write(folder.path().join("g.json"), target).unwrap();
    for arguments in [["--grid", "trailing"].as_slice(), &["--w2", "--sampler", "ddim"]] {
        for (columns, width) in [(None, 80), (Some("50"), 50), (Some("100"), 100), (Some("none"), 80)] {
            let mut command = common::ddpm(folder.path());
            command.args(["decompose", "--target", "g.json", "--train-steps", "30", "--steps", "12"]);
            command.args(arguments).env_remove("COLUMNS");
            command.envs(columns.map(|columns| ("COLUMNS", columns)));
            let output = command.assert();
            let text = String::from_utf8(output.success().get_output().stdout.clone()).unwrap();
            assert!(text.lines().all(|line| line.chars().count() <= width), "{columns:?}\n{text}");
            assert!(text.contains("12 steps"), "{text}");
        }
    }
}
