//! Closed-form targets through `sample`, `denoise` and `data fit-gaussian`.
// A failed unwrap is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::ddpm;
use ddpm_core::recursion::{GaussianDenoiser, Start, sample_law};
use ddpm_core::targets::{Covariance, Gaussian};
use ddpm_core::{
    Grid, Level, Noising, Posterior, Process, ProcessKind, SAMPLERS, Schedule, Scheme, Target, TimeIndex,
    Trajectory, Variance,
};
use ddpm_nets::tensor_file;
use std::path::Path;
use tch::{Device, Kind, Tensor};

const GAUSSIAN: &str = r#"{"kind":"gaussian","mean":[0.5,-1],"var":[0.09,1.44]}"#;
const MIXTURE: &str = r#"{"kind":"mixture","weights":[0.3,0.7],"means":[[-1.5,0],[1,0.5]],
    "covs":[[[0.1,0.02],[0.02,0.2]],[[0.2,0],[0,0.3]]]}"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("g.json"), GAUSSIAN).unwrap();
    std::fs::write(folder.path().join("m.json"), MIXTURE).unwrap();
    folder
}

fn gaussian() -> Gaussian {
    Gaussian::new(vec![0.5, -1.0], Covariance::Diagonal(vec![0.09, 1.44])).unwrap()
}

fn samples(folder: &Path, arguments: &[&str]) -> Tensor {
    ddpm(folder).args(["sample", "--out", "s.safetensors"]).args(arguments).assert().success();
    tensor_file::read(&folder.join("s.safetensors")).unwrap().remove("samples").unwrap()
}

fn largest(a: &Tensor, b: &Tensor) -> f64 {
    (a.to_kind(Kind::Double) - b.to_kind(Kind::Double)).abs().max().double_value(&[])
}

/// Panics unless the samples' mean and variance are those of the exact recursion, within five standard errors.
fn assert_law(name: &str, x: &Tensor, scheme: &Scheme, mut trajectory: Trajectory) {
    let law = gaussian();
    if *scheme == (Scheme::Ddpm { variance: Variance::Analytic }) {
        let levels = &trajectory.levels()[..trajectory.steps()];
        let mse = levels.iter().map(|level| law.mmse(level) / 2.0).collect();
        trajectory = trajectory.with_mse(mse).unwrap();
    }
    let plan = scheme.plan(&trajectory).unwrap();
    let expected = sample_law(&GaussianDenoiser::new(&law, 0.0), &trajectory, &plan, Start::Prior);
    let n = x.size()[0] as f64;
    for (i, expected) in expected.iter().enumerate() {
        let column = x.select(1, i as i64).to_kind(Kind::Double);
        let (mean, variance) =
            (column.mean(Kind::Double).double_value(&[]), column.var(true).double_value(&[]));
        let error = 5.0 * (expected.variance / n).sqrt() + 1e-5;
        assert!((mean - expected.mean).abs() < error, "{name} {i}: mean {mean}, expected {expected:?}");
        let error = 5.0 * expected.variance * (2.0 / n).sqrt() + 1e-5;
        assert!(
            (variance - expected.variance).abs() < error,
            "{name} {i}: variance {variance}, {expected:?}"
        );
    }
}

#[test]
fn samples_of_every_sampler_have_the_law_of_the_exact_recursion() {
    let folder = folder();
    let schedule = Schedule::linear(1000).unwrap();
    let visited = Grid::Trailing.visit(&schedule, 40).unwrap();
    for info in SAMPLERS.iter().filter(|info| info.fixed_steps) {
        let arguments =
            ["--target", "g.json", "--sampler", info.name, "--steps", "40", "--num", "4000", "--seed", "1"];
        let x = samples(folder.path(), &arguments);
        assert_eq!((x.kind(), x.size()), (Kind::Float, vec![4000, 2]));
        let (scheme, trajectory) = match info.scheme {
            Scheme::Langevin { relative_step, .. } => {
                let level = Noising::Discrete(schedule.clone()).langevin_level().unwrap();
                let levels = vec![level, Level::CLEAN];
                let trajectory = Trajectory::of_levels(levels, schedule.scale(), None).unwrap();
                (Scheme::Langevin { relative_step, steps: 40 }, trajectory)
            }
            other => (other, Trajectory::discrete(&schedule, &visited).unwrap()),
        };
        assert_law(info.name, &x, &scheme, trajectory);
    }
}

#[test]
fn options_processes_and_grids_have_their_effect() {
    let folder = folder();
    let schedule = Schedule::linear(1000).unwrap();
    let run = |more: &[&str]| {
        let fixed = ["--target", "g.json", "--num", "4000", "--steps", "15"];
        samples(folder.path(), &[&fixed[..], more].concat())
    };
    let discrete = |grid: Grid| Trajectory::discrete(&schedule, &grid.visit(&schedule, 15).unwrap()).unwrap();
    for variance in [Variance::FixedSmall, Variance::FixedLarge, Variance::Analytic] {
        let x = run(&["--variance", variance.name(), "--grid", "leading"]);
        assert_law(variance.name(), &x, &Scheme::Ddpm { variance }, discrete(Grid::Leading));
    }
    let x = run(&["--sampler", "ddim", "--eta", "0.7", "--grid", "karras"]);
    assert_law("eta", &x, &Scheme::ddim(0.7), discrete(Grid::Karras));
    let churn = ddpm_core::scheme::Churn { amount: 5.0, ..Default::default() };
    let x = run(&["--sampler", "edm", "--churn", "5", "--grid", "log-snr"]);
    assert_law("churn", &x, &Scheme::Edm { churn }, discrete(Grid::LogSnr));
    let x = run(&["--sampler", "predictor-corrector", "--corrector-snr", "0.3", "--corrections", "2"]);
    let scheme = Scheme::PredictorCorrector { signal_to_noise: 0.3, corrections: 2 };
    assert_law("corrector", &x, &scheme, discrete(Grid::Trailing));
    let x = run(&["--sampler", "annealed-langevin", "--step-size", "1e-4", "--level-steps", "7"]);
    let scheme = Scheme::AnnealedLangevin { epsilon: Some(1e-4), steps: 7, constant_step: false };
    assert_law("annealed", &x, &scheme, discrete(Grid::Trailing));
    for (name, process) in ProcessKind::ALL.iter().map(|&kind| (kind.into(), kind.process())) {
        let times = |t_min: f64| Grid::LogSnr.times(&process, 15, t_min).unwrap();
        let more = ["--process", name, "--t-min", "0.01", "--grid", "log-snr", "--sampler", "ei"];
        let trajectory = Trajectory::continuous(&process, &times(0.01)).unwrap();
        assert_law(name, &run(&more), &Scheme::Ei, trajectory.clone());
        let denoised = run(&[&more[..], &["--final-denoise"]].concat());
        assert_law(name, &denoised, &Scheme::Ei, trajectory.with_decoder());
    }
    let x =
        samples(folder.path(), &["--target", "g.json", "--num", "4000", "--steps", "40", "--process", "vp"]);
    let trajectory =
        Trajectory::continuous(&Process::VP, &Grid::Linspace.times(&Process::VP, 40, 1e-3).unwrap()).unwrap();
    assert_law("ddpm on vp", &x, &Scheme::DdpmRate, trajectory);

    // The adaptive sampler follows the ODE, and follows it less well where it may.
    let ode = |more: &[&str]| {
        let fixed = ["--target", "g.json", "--num", "100", "--process", "vp", "--t-min", "0.01"];
        samples(folder.path(), &[&fixed[..], more].concat())
    };
    let exact = ode(&["--sampler", "ode-rk4", "--steps", "400", "--grid", "log-snr"]);
    let error = |tolerance: &str| {
        largest(&exact, &ode(&["--sampler", "ode-rk45", "--rtol", tolerance, "--atol", tolerance]))
    };
    let (tight, loose) = (error("1e-6"), error("1e-2"));
    assert!(tight < 1e-4 && loose > 2e-4, "{tight} {loose}");
}

#[test]
fn the_noise_decides_whatever_the_batch() {
    let folder = folder();
    let run = |more: &[&str]| {
        let fixed = ["--target", "m.json", "--steps", "10", "--sampler", "dpmpp-2m-sde"];
        samples(folder.path(), &[&fixed[..], more].concat())
    };
    let all = run(&["--num", "20", "--seed", "5"]);
    assert!(largest(&all, &run(&["--num", "20", "--seed", "5", "--batch-size", "7"])) < 1e-5);
    assert!(largest(&all.narrow(0, 0, 9), &run(&["--num", "9", "--seed", "5"])) < 1e-5);
    assert!(largest(&all, &run(&["--num", "20", "--seed", "6"])) > 0.1);
}

#[test]
fn given_noise_goes_through_the_equations() {
    let folder = folder();
    let schedule = Schedule::linear(1000).unwrap();
    let (high, low) = (schedule.level(TimeIndex(999)), schedule.level(TimeIndex(499)));
    let start: [[f64; 2]; 3] = [[0.3, -1.2], [2.5, 0.1], [-0.7, 0.9]];
    let draw: [[f64; 2]; 3] = [[1.1, 0.2], [-0.4, -2.0], [0.0, 0.6]];
    let tensor =
        |rows: &[[f64; 2]; 3]| Tensor::from_slice(&rows.concat()).reshape([3, 2]).to_kind(Kind::Float);
    let noise = folder.path().join("noise.safetensors");
    tensor_file::write(&noise, [("x_T", &tensor(&start)), ("z", &tensor(&draw).unsqueeze(0))]).unwrap();
    let x = samples(
        folder.path(),
        &["--target", "g.json", "--steps", "2", "--variance", "fixed-small", "--noise", "noise.safetensors"],
    );
    let target = Target::Gaussian(gaussian());
    let posterior = Posterior::between(&high, &low);
    let expected = std::array::from_fn(|row| {
        let x0 = target.denoise(&start[row], &high);
        let next: Vec<f64> = (0..2)
            .map(|i| {
                posterior.of_x_t * start[row][i]
                    + posterior.of_x0 * x0[i]
                    + posterior.variance.sqrt() * draw[row][i]
            })
            .collect();
        let last = target.denoise(&next, &low);
        [last[0], last[1]]
    });
    assert!(largest(&x, &tensor(&expected)) < 1e-5, "{x}");
}

#[test]
fn the_denoiser_is_the_conditional_mean_at_every_timestep() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let x = Tensor::from_slice(&[0.3f32, -1.2, 2.5, 0.1, -0.7, 0.9, 0.0, 0.0]).reshape([4, 2]);
    let times = [999u32, 0, 300, 0];
    let t = Tensor::from_slice(&times.map(i64::from));
    tensor_file::write(&path("x.safetensors"), [("x", &x), ("t", &t)]).unwrap();
    ddpm(folder.path())
        .args(["denoise", "--target", "m.json", "--schedule", "cosine", "--input", "x.safetensors"])
        .args(["--output", "out.safetensors"])
        .assert()
        .success();
    let output = tensor_file::read(&path("out.safetensors")).unwrap();
    let target = serde_json::from_str::<ddpm_core::TargetSpec>(MIXTURE).unwrap().build().unwrap();
    let schedule = Schedule::cosine(1000).unwrap();
    for (row, &t) in times.iter().enumerate() {
        let level = schedule.level(TimeIndex(t));
        let x_t: Vec<f64> = Vec::try_from(x.get(row as i64).to_kind(Kind::Double)).unwrap();
        let x0 = target.denoise(&x_t, &level);
        for i in 0..2 {
            let value = |key: &str| output[key].double_value(&[row as i64, i as i64]);
            let eps = (x_t[i] - level.alpha() * x0[i]) / level.sigma();
            assert!((value("x0") - x0[i]).abs() < 1e-6 * (1.0 + x0[i].abs()), "x0 at {t}");
            assert!(
                (value("eps") - eps).abs() < 1e-6 * (1.0 + eps.abs()),
                "eps at {t}: {} {eps}",
                value("eps")
            );
        }
    }
}

#[test]
fn a_gaussian_fitted_to_data_is_a_target() {
    let folder = folder();
    ddpm(folder.path()).args(["data", "fit-gaussian", "digits", "--out", "d.safetensors"]).assert().success();
    let moments = tensor_file::read(&folder.path().join("d.safetensors")).unwrap();
    let data =
        ddpm_data::load(ddpm_data::DatasetName::Digits, &ddpm_data::Source::from_data_dir(None).unwrap());
    let images = data.unwrap().train;
    let x = Tensor::from_slice(images.pixels()).reshape([images.len() as i64, 64]).to_kind(Kind::Double)
        / 127.5
        - 1;
    let mean = x.mean_dim([0i64].as_slice(), false, Kind::Double);
    let centred = &x - &mean;
    let covariance = centred.tr().matmul(&centred) / images.len() as f64;
    assert_eq!((moments["mean"].kind(), moments["cov"].kind()), (Kind::Double, Kind::Double));
    assert!(largest(&moments["mean"], &mean) < 1e-12 && largest(&moments["cov"], &covariance) < 1e-12);

    ddpm(folder.path())
        .args(["data", "fit-gaussian", "digits", "--centred", "--out", "c.safetensors"])
        .assert()
        .success();
    let centred_moments = tensor_file::read(&folder.path().join("c.safetensors")).unwrap();
    assert_eq!(centred_moments["mean"].abs().max().double_value(&[]), 0.0);
    assert!(centred_moments["cov"].equal(&moments["cov"]));

    std::fs::write(folder.path().join("d.json"), r#"{"kind":"gaussian","file":"d.safetensors"}"#).unwrap();
    let samples = samples(
        folder.path(),
        &["--target", "d.json", "--sampler", "dpmpp-2m", "--steps", "40", "--num", "4000"],
    );
    let trace = |x: &Tensor| {
        x.to_kind(Kind::Double).var_dim([0i64].as_slice(), true, false).sum(Kind::Double).double_value(&[])
    };
    let (got, expected) = (trace(&samples), covariance.trace().double_value(&[]));
    assert!((got / expected - 1.0).abs() < 0.05, "{got} {expected}");
}

#[test]
fn what_cannot_be_is_refused_in_one_line() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let targets = [
        (r#"{"kind":"gaussian","mean":[0],"var":[1],"extra":1}"#, "unknown key `extra`"),
        (r#"{"kind":"mixture","weights":[1],"means":[[0]],"stds":[1],"std":1}"#, "unknown key `std`"),
        (r#"{"kind":"gausian"}"#, "unknown value `gausian`"),
        (
            r#"{"kind":"gaussian","mean":[0,0],"cov":[[1,2],[2,1]]}"#,
            "cov must be symmetric and positive definite",
        ),
        (
            r#"{"kind":"gaussian","mean":[0,0],"cov":[[1,0.5],[0.4,1]]}"#,
            "entry [1][0] is 0.4 but [0][1] is 0.5",
        ),
        (r#"{"kind":"gaussian","mean":[0],"var":[-1]}"#, "var[0] must be symmetric and positive definite"),
        (r#"{"kind":"gaussian","mean":[0,1],"var":[1]}"#, "var must have 2 entries, got 1"),
        (r#"{"kind":"gaussian","mean":[0,1],"cov":[[1,0]]}"#, "cov must have 2 entries, got 1"),
        (r#"{"kind":"gaussian","mean":[0]}"#, "needs cov or var"),
        (r#"{"kind":"gaussian","file":"no.safetensors"}"#, "no.safetensors: No such file"),
        (r#"{"kind":"gaussian","file":"f32.safetensors"}"#, "f32.safetensors: mean must be f64"),
        (r#"{"kind":"gaussian","file":"flat.safetensors"}"#, "cov must be [2, 2] like mean, got [4]"),
        (r#"{"kind":"mixture","weights":[0.3,0.6],"means":[[0],[1]],"stds":[1,1]}"#, "weights must be 1"),
        (
            r#"{"kind":"mixture","weights":[0.5,0.5],"means":[[0],[1,2]],"stds":[1,1]}"#,
            "means[1] must have 1",
        ),
        (
            r#"{"kind":"mixture","weights":[0.5,0.5],"means":[[0],[1]],"stds":[1,0]}"#,
            "stds[1] must be positive",
        ),
        ("{", "EOF"),
    ];
    let ones = |shape: &[i64], kind: Kind| Tensor::ones(shape, (kind, Device::Cpu));
    let write = |name: &str, tensors: &[(&str, Tensor)]| {
        tensor_file::write(&path(name), tensors.iter().map(|(name, tensor)| (*name, tensor))).unwrap();
    };
    write("f32.safetensors", &[("mean", ones(&[2], Kind::Float)), ("cov", ones(&[2, 2], Kind::Float))]);
    write("flat.safetensors", &[("mean", ones(&[2], Kind::Double)), ("cov", ones(&[4], Kind::Double))]);
    write("wide.safetensors", &[("x_T", ones(&[5, 3], Kind::Float))]);
    write("noise.safetensors", &[("x_T", ones(&[5, 2], Kind::Float)), ("z", ones(&[1, 5, 2], Kind::Float))]);
    write("late.safetensors", &[("x", ones(&[1, 2], Kind::Float)), ("t", Tensor::from_slice(&[1000i64]))]);
    write("x3.safetensors", &[("x", ones(&[1, 3], Kind::Float)), ("t", Tensor::from_slice(&[0i64]))]);
    let refused = |arguments: &[&str], expected: &str| {
        let output = ddpm(folder.path()).args(arguments).assert().code(2);
        let text = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        assert!(text.starts_with("error: ") && text.lines().count() == 1, "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
    };
    for (text, expected) in targets {
        std::fs::write(path("bad.json"), text).unwrap();
        refused(&["sample", "--target", "bad.json", "--steps", "5"], expected);
        refused(&["decompose", "--target", "bad.json", "--steps", "5"], "bad.json: ");
    }
    for (arguments, expected) in [
        (&["--steps", "0"][..], "--steps must be at least 1"),
        (&["--steps", "1001"], "steps must be between 1 and the 1000 training levels, got 1001"),
        (&["--sampler", "ddim", "--eta", "1.5"], "--eta must lie between 0 and 1, got 1.5"),
        (&["--sampler", "ddim", "--eta=-0.1"], "--eta must lie between 0 and 1, got -0.1"),
        (&["--sampler", "ddim", "--variance", "analytic"], "--variance belongs to the sampler ddpm"),
        (&["--sampler", "em", "--churn", "1"], "--churn belongs to the sampler edm, not to em"),
        (&["--rtol", "1e-3"], "--rtol belongs to the sampler ode-rk45"),
        (&["--sampler", "ode-rk45", "--atol", "0"], "atol"),
        (&["--sampler", "edm", "--churn=-1"], "churn amount must be finite and not negative"),
        (&["--step-size", "1"], "--step-size belongs to the sampler langevin or annealed-langevin"),
        (&["--sampler", "langevin", "--step-size=-1"], "step_size must be positive"),
        (&["--sampler", "langevin", "--at", "1000"], "--at must be a timestep between 0 and 999"),
        (&["--sampler", "langevin", "--grid", "leading"], "--grid has no effect on langevin"),
        (&["--at", "10"], "--at belongs to the sampler langevin"),
        (&["--sampler", "dpm"], "unknown sampler \"dpm\""),
        (&["--variance", "learned-range", "--steps", "5"], "learned-range"),
        (&["--noise", "wide.safetensors"], "images of shape [2], got [5, 3]"),
        (&["--noise", "noise.safetensors", "--steps", "3"], "at least 2 draws, got 1"),
        (&["--noise", "noise.safetensors", "--num", "6"], "noise for 5"),
        (&["--process", "sub-vp"], "use em, ei or an ODE sampler"),
        (&["--process", "vp", "--t-min", "1"], "t-min must be"),
        (&["--t-min", "0.1"], "--process"),
        (&["--final-denoise"], "--process"),
        (&["--process", "wp"], "unknown process"),
        (&["--process", "vp", "--schedule", "linear"], "cannot be used with"),
        (&["--checkpoint", "x"], "cannot be used with"),
        (&["--class", "1"], "cannot be used with"),
        (&["--out", "grid.png"], "expected FILE.safetensors"),
        (&["--out", "nowhere/s.safetensors"], "the folder nowhere does not exist"),
        (&["--num", "0"], "--num must be at least 1"),
    ] {
        refused(&[&["sample", "--target", "g.json"], arguments].concat(), expected);
    }
    for (more, expected) in [
        (
            &["--target", "g.json", "--input", "late.safetensors"][..],
            "t must lie between 0 and 999, got 1000",
        ),
        (
            &["--target", "g.json", "--input", "x3.safetensors"],
            "x must be [n, 2] like the target, got [1, 3]",
        ),
        (&["--target", "g.json", "--input", "noise.safetensors"], "tensor x is missing"),
        (&["--target", "g.json", "--process", "vp", "--input", "x"], "cannot be used with"),
        (&["--input", "late.safetensors"], "--checkpoint"),
    ] {
        refused(&[&["denoise", "--output", "out.safetensors"], more].concat(), expected);
    }
    refused(&["data", "fit-gaussian", "digits", "--out", "nowhere/d.safetensors"], "nowhere");
    refused(&["sample", "--checkpoint", "x", "--schedule", "cosine"], "cannot be used with");
    for name in ["samples.safetensors", "out.safetensors", "grid.png"] {
        assert!(!path(name).exists(), "{name} was made");
    }
}
