//! Tests of the objective.

use super::*;
use ddpm_core::Schedule;
use ddpm_core::{Preconditioning, PredictionKind, ScheduleConfig, ScheduleKind, Variance};
use tch::Device;

const KINDS: [PredictionKind; 4] =
    [PredictionKind::Epsilon, PredictionKind::X0, PredictionKind::V, PredictionKind::Score];

fn random(shape: &[i64], seed: i64) -> Tensor {
    tch::manual_seed(seed);
    Tensor::randn(shape, (Kind::Float, Device::Cpu))
}

fn edm() -> ObjectiveConfig {
    ObjectiveConfig {
        noising: Noising::Discrete(ScheduleConfig::new(ScheduleKind::Karras).build().unwrap()),
        parameterization: Parameterization::Edm(Preconditioning::default()),
        loss: LossConfig::Edm { sigma_data: 0.5 },
        times: TimesConfig::LogNormal { mean: -1.2, std: 1.2 },
        ..ObjectiveConfig::simple(Schedule::linear(1000).unwrap(), PredictionKind::X0, 4, 1)
    }
}

fn simple(kind: PredictionKind) -> ObjectiveConfig {
    ObjectiveConfig::simple(Schedule::linear(1000).unwrap(), kind, 4, 1)
}

#[test]
fn every_image_keeps_its_noise_however_the_batch_is_cut() {
    for config in [simple(PredictionKind::V), edm()] {
        let objective = Objective::new(config).unwrap();
        let x0 = Tensor::ones([4, 1, 2, 2], (Kind::Float, Device::Cpu));
        let whole = objective.batch(&x0, 100).unwrap();
        let part = objective.batch(&x0.narrow(0, 0, 2), 102).unwrap();
        assert!(whole.input.narrow(0, 2, 2).equal(&part.input));
        assert!(whole.condition.narrow(0, 2, 2).equal(&part.condition));
        assert!(whole.target.narrow(0, 2, 2).equal(&part.target));
    }
}

#[test]
fn targets_are_what_the_kinds_define() {
    let x0 = Tensor::from_slice(&[0.3f32, -0.8]).reshape([2, 1]);
    let eps = Tensor::from_slice(&[-1.1f32, 0.4]).reshape([2, 1]);
    let plain = KINDS.map(|kind| (simple(kind), Parameterization::from(kind)));
    let wrapped = ObjectiveConfig { times: TimesConfig::Uniform {}, ..edm() };
    let wrapped = (wrapped.clone(), wrapped.parameterization);
    for (config, parameterization) in plain.into_iter().chain([wrapped]) {
        let schedule = config.noising.schedule().unwrap().clone();
        let objective = Objective::new(config).unwrap();
        let batch = objective.batch_at(&x0, &[TimeIndex(5), TimeIndex(900)], &eps, None).unwrap();
        for (row, t) in [5u32, 900].into_iter().enumerate() {
            let at = |tensor: &Tensor| tensor.double_value(&[row as i64, 0]);
            let level = schedule.level(TimeIndex(t));
            let (alpha, sigma) = (level.alpha(), level.sigma());
            let x_t = alpha * at(&x0) + sigma * at(&eps);
            let expected = parameterization.from_x0(&level).unwrap().apply(x_t, at(&x0));
            assert!(
                (at(&batch.target) - expected).abs() < 1e-6 * (1.0 + expected.abs()),
                "{parameterization:?}"
            );
            let input = parameterization.input_scale(&level) * x_t;
            assert!((at(&batch.input) - input).abs() < 1e-6 * (1.0 + input.abs()));
        }
    }
    let epsilon = Objective::new(simple(PredictionKind::Epsilon)).unwrap();
    assert!(epsilon.batch_at(&x0, &[TimeIndex(0), TimeIndex(999)], &eps, None).unwrap().target.equal(&eps));
}

#[test]
fn a_loss_is_the_same_whatever_the_network_predicts() {
    let (x0, eps) = (random(&[3, 2, 2, 2], 1), random(&[3, 2, 2, 2], 2));
    let guess = &x0 + random(&[3, 2, 2, 2], 3) * 0.1;
    let timesteps = [TimeIndex(20), TimeIndex(400), TimeIndex(700)];
    for loss in [
        LossConfig::Simple {},
        LossConfig::Snr {},
        LossConfig::Truncated {},
        LossConfig::MinSnr { gamma: 5.0 },
        LossConfig::P2 { k: 1.0, gamma: 0.5 },
        LossConfig::Edm { sigma_data: 0.5 },
        LossConfig::WeightedVlb { variance: Variance::FixedSmall },
        LossConfig::Vlb {},
    ] {
        let losses = KINDS.map(|kind| {
            let objective = Objective::new(ObjectiveConfig { loss, ..simple(kind) }).unwrap();
            let batch = objective.batch_at(&x0, &timesteps, &eps, None).unwrap();
            let rows = |f: fn(&LinearMap) -> f64| {
                let maps =
                    timesteps.map(|t| kind.from_x0(&objective.noising.schedule().unwrap().level(t)).unwrap());
                per_row(maps.iter().map(f), &x0)
            };
            let output = rows(|map| map.of_x_t) * &batch.noised.x_t + rows(|map| map.of_input) * &guess;
            let losses = objective.losses(&batch, &output).unwrap();
            objective.mean(&batch, &losses).unwrap().double_value(&[])
        });
        for value in losses {
            assert!((value / losses[1] - 1.0).abs() < 2e-3, "{loss:?}: {losses:?}");
        }
    }
}

#[test]
fn the_bound_as_a_weight_and_as_a_loss_differ_by_what_no_network_changes() {
    // With the posterior's variance a term of the bound is the weighted error alone.
    let (x0, eps) = (random(&[3, 1, 4, 4], 1), random(&[3, 1, 4, 4], 2));
    let output = random(&[3, 1, 4, 4], 3);
    let timesteps = [TimeIndex(1), TimeIndex(40), TimeIndex(999)];
    let losses = |loss: LossConfig| {
        let config =
            ObjectiveConfig { loss, variance: Variance::FixedSmall, ..simple(PredictionKind::Epsilon) };
        let objective = Objective::new(config).unwrap();
        let batch = objective.batch_at(&x0, &timesteps, &eps, None).unwrap();
        objective.losses(&batch, &output).unwrap()
    };
    let bits = losses(LossConfig::Vlb {}) * (std::f64::consts::LN_2 / 1000.0);
    let weighted = losses(LossConfig::WeightedVlb { variance: Variance::FixedSmall });
    let worst = ((bits - &weighted) / &weighted).abs().max().double_value(&[]);
    assert!(worst < 1e-4, "{worst}");
}

#[test]
fn the_hybrid_loss_leaves_the_prediction_to_the_squared_error() {
    let config =
        |loss| ObjectiveConfig { loss, variance: Variance::LearnedRange, ..simple(PredictionKind::Epsilon) };
    let (x0, eps) = (random(&[4, 3, 4, 4], 1).clamp(-1.0, 1.0), random(&[4, 3, 4, 4], 2));
    let timesteps = [TimeIndex(0), TimeIndex(3), TimeIndex(500), TimeIndex(999)];
    let gradient = |loss: LossConfig, twice: bool| {
        let variance = if twice { Variance::LearnedRange } else { Variance::FixedLarge };
        let objective = Objective::new(ObjectiveConfig { variance, ..config(loss) }).unwrap();
        let z = random(&[4, 3, 4, 4], 5);
        let batch = objective.batch_at(&x0, &timesteps, &eps, Some(z)).unwrap();
        let whole = random(&[4, 6, 4, 4], 3);
        let output = if twice { whole } else { whole.narrow(1, 0, 3).copy() }.set_requires_grad(true);
        let losses = objective.losses(&batch, &output).unwrap();
        objective.mean(&batch, &losses).unwrap().backward();
        output.grad()
    };
    let hybrid = gradient(LossConfig::Hybrid { lambda: 1e-3 }, true);
    let simple = gradient(LossConfig::Simple {}, false);
    let vlb = gradient(LossConfig::Vlb {}, true);
    assert!(hybrid.narrow(1, 0, 3).allclose(&simple, 1e-6, 1e-9, false));
    assert!(hybrid.narrow(1, 3, 3).allclose(&(vlb.narrow(1, 3, 3) * 1e-3), 1e-5, 1e-9, false));
    // The regression moves the mean as well.
    let gaussian = gradient(LossConfig::Gaussian {}, true);
    assert!(gaussian.narrow(1, 0, 3).abs().max().double_value(&[]) > 1e-4);
    assert!(gaussian.isfinite().all().int64_value(&[]) == 1);
}

#[test]
fn regression_finds_the_variance_of_the_state_before() {
    // Data N(0, l): x_0 given x_t has variance l sigma^2/(alpha^2 l + sigma^2), and x_s given x_t post + b^2 times that. With l > 1 that is
    // more than beta, so that it lies outside the range of the two fixed variances.
    let (t, n) = (TimeIndex(1), 4000i64);
    let schedule = Schedule::linear(1000).unwrap();
    let level = schedule.level(t);
    for (variance, l) in
        [(Variance::LearnedRange, 0.3f64), (Variance::Learned, 0.3), (Variance::Learned, 4.0)]
    {
        let config =
            ObjectiveConfig { loss: LossConfig::Gaussian {}, variance, ..simple(PredictionKind::X0) };
        let objective = Objective::new(config).unwrap();
        let x0 = random(&[n, 1, 4, 4], 1) * l.sqrt();
        let batch = objective
            .batch_at(&x0, &vec![t; n as usize], &random(&[n, 1, 4, 4], 2), Some(random(&[n, 1, 4, 4], 3)))
            .unwrap();
        let marginal = level.alpha_bar() * l + level.sigma().powi(2);
        let mean = &batch.noised.x_t * (level.alpha() * l / marginal);
        let step = bound_steps(&schedule, variance, None).unwrap()[t.0 as usize];
        let conditional = l * level.sigma().powi(2) / marginal;
        let truth = step.posterior.variance + step.posterior.of_x0.powi(2) * conditional;
        assert_eq!(truth > step.posterior.transition_variance, l > 1.0);
        let truth = truth.ln();
        let loss = |output: f64| {
            let output = Tensor::cat(&[&mean, &mean.full_like(output)], 1);
            objective.losses(&batch, &output).unwrap().mean(Kind::Double).double_value(&[])
        };
        let best = (truth - step.model.log(0.0)) / (step.model.log(1.0) - step.model.log(0.0));
        assert!(loss(best) < loss(best - 0.9) && loss(best) < loss(best + 0.9), "{variance} {l}: {best}");
        // The value there is the entropy of the true law.
        let entropy = 0.5 * (truth + (std::f64::consts::TAU * std::f64::consts::E).ln());
        assert!(
            (loss(best) - entropy).abs() < 4.0 * (0.5 / (16.0 * n as f64)).sqrt(),
            "{variance} {l}: {} {entropy}",
            loss(best)
        );
    }
}

#[test]
fn parts_that_do_not_belong_together_are_named() {
    let text = |config: ObjectiveConfig| Objective::new(config).unwrap_err().to_string();
    let base = || simple(PredictionKind::Epsilon);
    let hybrid = LossConfig::Hybrid { lambda: 1e-3 };
    assert!(text(ObjectiveConfig { loss: hybrid, ..base() }).contains("learned-range"));
    let learned = ObjectiveConfig { variance: Variance::LearnedRange, ..base() };
    assert!(text(learned).contains("leaves the learned variance untrained"));
    let log_normal = TimesConfig::LogNormal { mean: -1.2, std: 1.2 };
    assert!(text(ObjectiveConfig { times: log_normal, ..base() }).contains("prediction = \"edm\""));
    assert!(text(ObjectiveConfig { loss: LossConfig::Vlb {}, ..edm() }).contains("no step of the bound"));
    assert!(
        text(ObjectiveConfig { loss: LossConfig::Edm { sigma_data: 0.4 }, ..edm() })
            .contains("diffusion.sigma_data (0.5)")
    );
    let none = TimesConfig::Importance { history: 0, uniform_share: 0.1 };
    assert_eq!(
        text(ObjectiveConfig { times: none, ..base() }),
        "train.times.history must be at least 1, got 0"
    );
    assert!(
        text(ObjectiveConfig { loss: LossConfig::MinSnr { gamma: -1.0 }, ..base() })
            .contains("gamma must be positive")
    );
}
