//! The perceptron: its scale, its derivatives, its files.
#![allow(clippy::unwrap_used, reason = "a test stops at the first thing that fails")]

use ddpm_core::{Level, Noising, NoisingConfig, PredictionKind, Process, ProcessConfig, ProcessKind, Time};
use ddpm_nets::autograd::{gradient, tracked};
use ddpm_nets::checkpoint::VectorCheckpoint;
use ddpm_nets::{Denoiser, Mlp, MlpConfig, MlpOutput, NoiseLevels, ScoreDenoiser, ScoreNetwork};
use tch::{Device, Kind, Tensor};

fn network(dim: i64, output: MlpOutput) -> Mlp {
    let config = MlpConfig { width: 24, depth: 2, data_std: 1.5, output, ..MlpConfig::new(dim) };
    let network = Mlp::new(config, Device::Cpu, 3).unwrap();
    // The last layer starts at nothing: give it something to say.
    let names = network.parameters().names();
    let last = names.iter().position(|name| name == "out.weight").unwrap();
    let weight = &network.parameters().tensors()[last];
    let values: Vec<f32> = (0..weight.numel()).map(|i| (i as f32 * 1.7).sin() * 0.4).collect();
    tch::no_grad(|| weight.shallow_clone().copy_(&Tensor::from_slice(&values).reshape(weight.size())));
    network
}

fn points(n: i64, d: i64) -> Tensor {
    let values: Vec<f32> = (0..n * d).map(|i| (i as f32 * 0.913).cos() * 1.5).collect();
    Tensor::from_slice(&values).reshape([n, d])
}

fn levels(n: usize) -> Vec<Level> {
    (0..n).map(|i| Level::variance_preserving(4.0 - i as f64, Time::Continuous(0.1 * i as f64))).collect()
}

fn largest(x: &Tensor) -> f64 {
    x.abs().max().double_value(&[])
}

/// The products v . w of rows [n, ...]: `[n]`.
fn row_dot(v: &Tensor, w: &Tensor) -> Tensor {
    (v * w).flatten(1, -1).sum_dim_intlist([1i64].as_slice(), false, None::<Kind>)
}

#[test]
fn a_fresh_network_answers_for_a_gaussian_of_the_datas_spread() {
    for output in [MlpOutput::Score, MlpOutput::Energy] {
        let config = MlpConfig { data_std: 0.7, output, ..MlpConfig::new(3) };
        let network = Mlp::new(config, Device::Cpu, 0).unwrap();
        let x = points(5, 3);
        for level in [Level::CLEAN, Level::variance_preserving(0.3, Time::Continuous(0.5))] {
            let variance = (0.7 * level.alpha()).powi(2) + level.sigma().powi(2);
            let score = network.score(&x, &NoiseLevels::uniform(&level, 5, Device::Cpu)).unwrap();
            assert!(largest(&(score + &x / variance)) < 1e-3, "{output:?}");
        }
    }
}

#[test]
fn an_energys_score_is_its_falling_slope_and_a_gradient_field() {
    let network = network(2, MlpOutput::Energy);
    let x = points(6, 2);
    let columns = NoiseLevels::new(&levels(6), Device::Cpu);
    let score = network.score(&x, &columns).unwrap();
    let energy = |x: &Tensor| network.energy(x, &columns).unwrap();
    let h = 1e-2;
    for i in 0..2 {
        let mut unit = [0f32; 2];
        unit[i] = h;
        let shift = Tensor::from_slice(&unit);
        let slope = (energy(&(&x + &shift)) - energy(&(&x - &shift))) / (2.0 * f64::from(h));
        assert!(largest(&(slope + score.select(1, i as i64))) < 2e-3);
    }
    // The Jacobian of a gradient is symmetric; that of the other network is not.
    let asymmetry = |network: &Mlp| {
        let x = tracked(&x);
        let score = network.score(&x, &columns).unwrap();
        let cross = |i: i64, j: i64| gradient(&score.select(1, i), &x).unwrap().select(1, j);
        largest(&(cross(0, 1) - cross(1, 0)))
    };
    assert!(asymmetry(&network) < 1e-5);
    assert!(asymmetry(&self::network(2, MlpOutput::Score)) > 1e-3);
}

#[test]
fn double_backward_agrees_with_finite_differences() {
    for output in [MlpOutput::Score, MlpOutput::Energy] {
        let network = network(2, output);
        let columns = NoiseLevels::new(&levels(8), Device::Cpu);
        let (x, v) = (points(8, 2), points(16, 2).narrow(0, 8, 8));
        // v . (grad s) v + |s|^2 / 2: for an energy its gradient in the weights takes three derivatives of the network.
        let loss = || {
            let x = tracked(&x);
            let score = network.score(&x, &columns).unwrap();
            let pulled = gradient(&(&score * &v), &x).unwrap();
            (row_dot(&pulled, &v) + row_dot(&score, &score) * 0.5).mean(Kind::Float)
        };
        loss().backward();
        for (name, weight) in network.parameters().names().iter().zip(network.parameters().tensors()) {
            let slope = weight.grad();
            let direction = &slope / (slope.norm() + 1e-12);
            let expected = row_dot(&slope.reshape([1, -1]), &direction.reshape([1, -1])).double_value(&[0]);
            let at = |step: f64| {
                tch::no_grad(|| weight.shallow_clone().copy_(&(weight + &direction * step)));
                let value = loss().double_value(&[]);
                tch::no_grad(|| weight.shallow_clone().copy_(&(weight - &direction * step)));
                value
            };
            let measured = (at(5e-3) - at(-5e-3)) / 1e-2;
            assert!(
                (measured - expected).abs() < 5e-3 * (1.0 + expected),
                "{output:?} {name}: {measured} {expected}"
            );
        }
    }
}

#[test]
fn the_gradient_is_had_where_gradients_are_off_and_leaves_them_off() {
    let network = network(2, MlpOutput::Energy);
    let level = Level::variance_preserving(0.0, Time::Continuous(0.5));
    let x = points(4, 2);
    let with = network.score(&x, &NoiseLevels::uniform(&level, 4, Device::Cpu)).unwrap();
    tch::no_grad(|| {
        let prediction = ScoreDenoiser(&network).predict(&x, &level).unwrap();
        assert_eq!(prediction.kind, PredictionKind::Score);
        assert!(prediction.value.equal(&with) && !prediction.value.requires_grad());
        assert!(!(network.parameters().tensors()[0].shallow_clone() * 2.0).requires_grad());
    });
    let wrong = ScoreDenoiser(&network).predict(&points(4, 3), &level).unwrap_err().to_string();
    assert!(wrong.contains("expected [n, 2], got [4, 3]"), "{wrong}");
}

#[test]
fn a_checkpoint_says_what_it_is_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let network = network(2, MlpOutput::Energy);
    let process = ProcessConfig {
        kind: ProcessKind::Ve,
        beta_min: None,
        beta_max: None,
        sigma_min: Some(0.1),
        sigma_max: Some(5.0),
        horizon: None,
        t_min: None,
    };
    let noising = NoisingConfig::Process(process);
    VectorCheckpoint::save(folder.path(), &network, network.parameters().tensors(), &noising, 2.5).unwrap();
    assert!(VectorCheckpoint::is_at(folder.path()).unwrap());
    let back = VectorCheckpoint::load(folder.path(), Device::Cpu).unwrap();
    assert_eq!(back.network.config(), network.config());
    assert_eq!((&back.config, back.data_scale), (&noising, 2.5));
    let expected = Process::VarianceExploding { sigma_min: 0.1, sigma_max: 5.0 };
    assert_eq!(back.noising, Noising::Continuous { process: expected, t_min: 0.0 });
    let (x, columns) = (points(3, 2), NoiseLevels::new(&levels(3), Device::Cpu));
    assert!(back.network.score(&x, &columns).unwrap().equal(&network.score(&x, &columns).unwrap()));

    let path = folder.path().join("unet/config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to, expected) in [
        ("MlpDenoiser", "UNet2DModel", "_class_name: expected MlpDenoiser, got \"UNet2DModel\""),
        ("\"width\": 24", "\"width\": 0", "model.width: must be at least 1, got 0"),
        ("\"width\": 24", "\"width\": 25", "tensor hidden.0.weight has shape"),
        ("\"width\"", "\"widht\"", "unknown field `widht`"),
    ] {
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let error = VectorCheckpoint::load(folder.path(), Device::Cpu).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
