//! Samples of a narrow Gaussian along every process in continuous time, by the default grid and a few samplers: the moments are right.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::ddpm;

/// Standard deviation of the data: a grid that misses the levels near it gives another one.
const DEVIATION: f64 = 0.2;

#[test]
fn default_grids_sample_the_target() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.json"), r#"{"kind":"gaussian","mean":[0],"var":[0.04]}"#).unwrap();
    for (process, sampler, steps) in [
        ("edm", "edm", "18"),
        ("edm", "ode-heun", "40"),
        ("edm", "dpmpp-2m", "40"),
        ("edm", "unipc", "40"),
        ("edm", "ei", "400"),
        ("ve", "edm", "18"),
        ("ve", "ode-heun", "40"),
        ("ve", "dpmpp-2m", "40"),
        ("ve", "ei", "400"),
        ("ve", "predictor-corrector", "400"),
        ("vp", "ode-heun", "100"),
        ("vp", "edm", "40"),
        ("vp", "ei", "1000"),
        ("vp", "em", "1000"),
        ("vp", "ddpm", "1000"),
        ("sub-vp", "ode-heun", "100"),
        ("sub-vp", "em", "1000"),
        ("ou", "ode-heun", "400"),
        ("ou", "ei", "1000"),
        ("ou", "dpmpp-2m", "100"),
    ] {
        let mut command = ddpm(folder.path());
        command.args(["sample", "--target", "t.json", "--process", process, "--sampler", sampler]);
        command.args(["--steps", steps, "--num", "4000", "--out", "s.safetensors"]).assert().success();
        let mut tensors = ddpm_nets::tensor_file::read(&folder.path().join("s.safetensors")).unwrap();
        let samples = tensors.remove("samples").unwrap().to_kind(tch::Kind::Double);
        let deviation = samples.std(true).double_value(&[]);
        let mean = samples.mean(tch::Kind::Double).double_value(&[]);
        // 4000 samples give the deviation to 1.1 % and the mean to 0.0032.
        assert!(
            (deviation / DEVIATION - 1.0).abs() < 0.1 && mean.abs() < 0.02,
            "{process}, {sampler}, {steps} steps: mean {mean:.4}, deviation {deviation:.4}"
        );
    }
}
