//! Identities between the score-matching objectives.
#![allow(clippy::unwrap_used, reason = "a test stops at the first thing that fails")]

use ddpm_core::TargetSpec;
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::{Level, NoisingConfig, ScheduleConfig, ScheduleKind, Target, Time};
use ddpm_data::Shard;
use ddpm_nets::autograd::tracked;
use ddpm_nets::{Mlp, MlpConfig, MlpOutput, NoiseLevels, ScoreNetwork, along_rows};
use ddpm_train::Trainable;
use ddpm_train::score_matching::{
    Divergence, DivergenceKind, LevelWeight, ScoreMatching, ScoreObjective, TargetSource, VectorScore,
    denoising, exact_divergence, explicit, hutchinson_divergence, implicit, simple, sliced,
};
use tch::{Device, Kind, Tensor};
use torch_ext::TorchError;

fn mixture() -> Target {
    TargetSpec::Mixture {
        weights: vec![0.4, 0.6],
        means: vec![vec![-1.0, 0.3], vec![0.8, -0.5]],
        stds: Some(vec![0.5, 0.7]),
        covs: None,
    }
    .build()
    .unwrap()
}

/// A smooth field that is no gradient and grows linearly: s_i = a tanh(W x + b) - x/2, for any number of components.
struct Swirl {
    weight: Tensor,
    bias: Tensor,
}

impl Swirl {
    fn new(d: i64) -> Self {
        let values = |n: i64, rate: f64| (0..n).map(|i| (i as f64 * rate + 0.4).sin()).collect::<Vec<_>>();
        Swirl {
            weight: Tensor::from_slice(&values(d * d, 1.3)).reshape([d, d]),
            bias: Tensor::from_slice(&values(d, 2.1)),
        }
    }

    fn at(&self, x: &Tensor) -> Result<Tensor, TorchError> {
        let rows = x.flatten(1, -1);
        Ok((rows.matmul(&self.weight) + &self.bias).tanh().reshape(x.size()) - x * 0.5)
    }

    /// div s by hand: sum_i W_ii (1 - tanh^2) - d/2.
    fn divergence(&self, x: &Tensor) -> Tensor {
        let d = self.bias.size()[0];
        let slope = (x.flatten(1, -1).matmul(&self.weight) + &self.bias).tanh().square().neg() + 1.0;
        (slope * self.weight.diag(0)).sum_dim_intlist([1i64].as_slice(), false, Kind::Double) - 0.5 * d as f64
    }
}

fn points(shape: &[i64]) -> Tensor {
    let n: i64 = shape.iter().product();
    let values: Vec<f64> = (0..n).map(|i| (i as f64 * 0.77).cos() * 1.3).collect();
    Tensor::from_slice(&values).reshape(shape)
}

fn largest(x: &Tensor) -> f64 {
    x.abs().max().double_value(&[])
}

/// Mean and standard error.
fn estimate(x: &Tensor) -> (f64, f64) {
    let n = x.size()[0] as f64;
    (x.mean(Kind::Double).double_value(&[]), x.std(true).double_value(&[]) / n.sqrt())
}

#[test]
fn implicit_is_explicit_less_half_the_scores_square() {
    let target = mixture();
    let source = NoiseSource::new(5, Purpose::Target);
    let n = 40_000;
    let rows: Vec<f64> = (0..n).flat_map(|i| target.sample(&source, i)).collect();
    let scores: Vec<f64> = rows.chunks(2).flat_map(|x| target.score(x, &Level::CLEAN)).collect();
    let (x, s) = (Tensor::from_slice(&rows).reshape([-1, 2]), Tensor::from_slice(&scores).reshape([-1, 2]));
    let swirl = Swirl::new(2);
    let field = |x: &Tensor| swirl.at(x);
    let difference = implicit(&field, &x, Divergence::Exact).unwrap() - explicit(&field, &x, &s).unwrap()
        + s.square().sum_dim_intlist([1i64].as_slice(), false, Kind::Double) * 0.5;
    let (mean, error) = estimate(&difference);
    assert!(mean.abs() < 4.0 * error && error < 0.02, "{mean} +- {error}");
    // The estimators' rows differ from the exact ones, their means do not.
    let normal: Vec<f64> =
        (0..n).flat_map(|i| NoiseSource::new(1, Purpose::Projection).normal(i, 0, 2)).collect();
    let normal = Tensor::from_slice(&normal).reshape([1, -1, 2]);
    let exact = implicit(&field, &x, Divergence::Exact).unwrap();
    let (mean, error) = estimate(&(sliced(&field, &x, &normal).unwrap() - &exact));
    assert!(mean.abs() < 4.0 * error && error < 0.03, "{mean} +- {error}");
    let signs = normal.get(0).sign();
    let (mean, error) = estimate(&(implicit(&field, &x, Divergence::Hutchinson(&signs)).unwrap() - exact));
    assert!(mean.abs() < 4.0 * error && error < 0.02, "{mean} +- {error}");
}

#[test]
fn the_divergence_is_exact_on_vectors_and_on_images() {
    for shape in [&[5i64, 3][..], &[4, 2, 3, 2]] {
        let swirl = Swirl::new(shape[1..].iter().product());
        let x = tracked(&points(shape));
        let score = swirl.at(&x).unwrap();
        let exact = exact_divergence(&score, &x).unwrap();
        assert_eq!(exact.size(), [shape[0]]);
        assert!(largest(&(exact - swirl.divergence(&x))) < 1e-12);
    }
}

#[test]
fn hutchinson_and_sliced_average_to_the_exact_divergence() {
    let shape = [4i64, 1, 1, 3];
    let swirl = Swirl::new(3);
    let field = |x: &Tensor| swirl.at(x);
    let x = tracked(&points(&shape));
    let score = swirl.at(&x).unwrap();
    let exact = exact_divergence(&score, &x).unwrap();
    // All sign vectors together: no randomness is left.
    let mut mean = exact.zeros_like();
    for bits in 0..8 {
        let signs: Vec<f64> = (0..3).map(|i| if bits >> i & 1 == 1 { 1.0 } else { -1.0 }).collect();
        let probes = Tensor::from_slice(&signs).reshape([1, 1, 1, 3]).expand(shape, false);
        mean += hutchinson_divergence(&score, &x, &probes).unwrap() / 8.0;
    }
    assert!(largest(&(mean - &exact)) < 1e-12);
    // Projections whose second moment is the identity: sqrt(d) times the axes.
    let axes = Tensor::eye(3, (Kind::Double, Device::Cpu)) * 3f64.sqrt();
    let projections = axes.reshape([3, 1, 1, 1, 3]).expand([3, 4, 1, 1, 3], false);
    let all = sliced(&field, &x, &projections).unwrap();
    let expected = implicit(&field, &x, Divergence::Exact).unwrap();
    assert!(largest(&(all - expected)) < 1e-12);
}

/// Data at three places of a line, so that expectations over x_0 are sums, and over x_t the same sum of grid points on both sides.
#[test]
fn denoising_has_the_gradient_of_explicit_matching_on_noised_data() {
    let level = Level::variance_preserving(0.4, Time::Continuous(0.5));
    let (places, weights) = ([-1.2, 0.1, 1.5], [0.3, 0.5, 0.2]);
    let config = MlpConfig { width: 16, depth: 2, ..MlpConfig::new(1) };
    let network = Mlp::new(config, Device::Cpu, 1).unwrap();
    tch::no_grad(|| {
        for (i, weight) in network.parameters().tensors().iter().enumerate() {
            let _ = weight.shallow_clone().g_add_scalar_(0.05 * (i as f64).cos());
        }
    });
    let grid: Vec<f64> = (0..241).map(|i| f64::from(i - 120) / 30.0).collect();
    let (alpha, sigma) = (level.alpha(), level.sigma());
    let density = |x: f64, k: usize| weights[k] * (-0.5 * ((x - alpha * places[k]) / sigma).powi(2)).exp();
    let column = |values: Vec<f64>| Tensor::from_slice(&values).to_kind(Kind::Float);
    let x = column(grid.clone()).unsqueeze(1);
    let n = grid.len() as i64;
    let columns = NoiseLevels::uniform(&level, n, Device::Cpu);
    let field = |x: &Tensor| network.score(x, &columns);
    let gradients = |loss: Tensor| -> Vec<Tensor> {
        for weight in network.parameters().tensors() {
            let mut grad = weight.grad();
            if grad.defined() {
                let _ = grad.zero_();
            }
        }
        loss.backward();
        network.parameters().tensors().iter().map(|w| w.grad().copy()).collect()
    };
    let score: Vec<f64> = grid
        .iter()
        .map(|&x| {
            let parts: Vec<f64> = (0..3).map(|k| density(x, k)).collect();
            let pull: f64 = (0..3).map(|k| parts[k] * (alpha * places[k] - x) / (sigma * sigma)).sum();
            pull / parts.iter().sum::<f64>()
        })
        .collect();
    let marginal = column(grid.iter().map(|&x| (0..3).map(|k| density(x, k)).sum()).collect());
    let losses = explicit(&field, &x, &column(score).unsqueeze(1)).unwrap();
    let expected = gradients((losses * marginal).sum(Kind::Float));
    let mut sum = Tensor::zeros([] as [i64; 0], (Kind::Float, Device::Cpu));
    for (k, place) in places.iter().enumerate() {
        let eps = column(grid.iter().map(|&x| (x - alpha * place) / sigma).collect()).unsqueeze(1);
        let joint = column(grid.iter().map(|&x| density(x, k)).collect());
        let losses = denoising(&field, &x, &eps, columns.sigma()).unwrap();
        sum += (losses * joint).sum(Kind::Float);
    }
    let got = gradients(sum);
    for (got, expected) in got.iter().zip(&expected) {
        assert!(largest(&(got - expected)) < 2e-4 * (1.0 + largest(expected)));
    }
    assert!(expected.iter().any(|gradient| largest(gradient) > 0.1));
}

#[test]
fn l_simple_is_denoising_in_units_of_the_noise() {
    let swirl = Swirl::new(6);
    let field = |x: &Tensor| swirl.at(x);
    let (x, eps) = (points(&[5, 1, 2, 3]), points(&[6, 1, 2, 3]).narrow(0, 1, 5));
    let sigma = Tensor::from_slice(&[0.1, 0.4, 1.0, 3.0, 9.0]);
    let simple = simple(&field, &x, &eps, &sigma).unwrap();
    let weighted = denoising(&field, &x, &eps, &sigma).unwrap() * sigma.square() * (2.0 / 6.0);
    assert!(largest(&(simple / weighted - 1.0)) < 1e-12);
    assert_eq!(along_rows(&sigma, &x).size(), [5, 1, 1, 1]);
}

fn task(objective: ScoreObjective, output: MlpOutput) -> ScoreMatching<VectorScore, TargetSource> {
    let schedule = ScheduleConfig {
        sigma_min: Some(0.1),
        sigma_max: Some(4.0),
        ..ScheduleConfig::with_steps(ScheduleKind::VeGeometric, 5)
    };
    let noising = NoisingConfig::Schedule(schedule);
    let config = MlpConfig { width: 32, depth: 2, output, ..MlpConfig::new(2) };
    let network = VectorScore {
        network: Mlp::new(config, Device::Cpu, 0).unwrap(),
        noising: noising.clone(),
        data_scale: 1.0,
    };
    let source = TargetSource::new(mixture(), 9, Device::Cpu);
    ScoreMatching::new(network, source, noising.build().unwrap(), objective, 9).unwrap()
}

fn objectives() -> Vec<ScoreObjective> {
    let weight = LevelWeight::MarginalVariance;
    vec![
        ScoreObjective::Simple {},
        ScoreObjective::Explicit { weight },
        ScoreObjective::Implicit { weight, divergence: None },
        ScoreObjective::Implicit { weight, divergence: Some(DivergenceKind::Hutchinson) },
        ScoreObjective::Sliced { weight, projections: 2 },
        ScoreObjective::Denoising { weight: LevelWeight::NoiseVariance },
    ]
}

/// The loss falls under plain gradient descent and its gradient reaches every weight.
fn check_descent<M: Trainable>(task: &M, what: &str) {
    let shard = Shard::single(64).unwrap();
    let loss = task.loss(0, &shard).unwrap();
    loss.backward();
    let weights = task.parameters().tensors();
    let squares: f64 = weights.iter().map(|w| w.grad().square().sum(Kind::Double).double_value(&[])).sum();
    assert!(squares > 0.0 && squares.is_finite(), "{what}");
    let step = 1e-3 / squares.sqrt();
    tch::no_grad(|| {
        for weight in weights {
            let _ = weight.shallow_clone().g_sub_(&(weight.grad() * step));
        }
    });
    let (before, after) = (loss.double_value(&[]), task.loss(0, &shard).unwrap().double_value(&[]));
    let fall = (before - after) / (step * squares);
    assert!((fall - 1.0).abs() < 0.2, "{what}: {fall}");
}

#[test]
fn every_objective_descends_on_vectors_as_a_score_and_as_an_energy() {
    for output in [MlpOutput::Score, MlpOutput::Energy] {
        for objective in objectives() {
            let task = task(objective, output);
            let whole = task.loss(3, &Shard::single(8).unwrap()).unwrap().double_value(&[]);
            let half = |rank| task.loss(3, &Shard::new(rank, 2, 4).unwrap()).unwrap().double_value(&[]);
            let halves = 0.5 * (half(0) + half(1));
            assert!((whole - halves).abs() < 1e-5 * (1.0 + whole.abs()), "{objective:?} {whole} {halves}");
            check_descent(&task, &format!("{objective:?} {output:?}"));
        }
    }
}

#[test]
fn options_out_of_range_are_named() {
    let weight = LevelWeight::NoiseVariance;
    let wrong = ScoreObjective::Sliced { weight, projections: 0 }
        .validate("objective.projections")
        .unwrap_err()
        .to_string();
    assert_eq!(wrong, "objective.projections: must lie between 1 and 1024, got 0");
}
