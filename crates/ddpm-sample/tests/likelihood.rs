//! Log densities by the probability-flow ODE against closed forms, and against finite differences for a network.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::targets::{Component, Covariance, Gaussian, Mixture};
use ddpm_core::{
    Level, Noising, PredictionKind, Process, Schedule, Target, TimeIndex, Variance, bound_steps,
};
use ddpm_nets::bound::evaluate;
use ddpm_nets::targets::ideal_denoiser;
use ddpm_nets::{Denoiser, NetsError, NetworkDenoiser, UNet, UNetConfig};
use ddpm_sample::Tolerance;
use ddpm_sample::likelihood::{LogDensity, Trace, log_density, random_signs};
use std::ops::ControlFlow;
use tch::{Device, Kind, Tensor};

/// Three components in `dim` dimensions, two of them anisotropic.
fn mixture(dim: usize, scale: f64) -> Target {
    let component = |weight: f64, offset: f64, std: f64| {
        let mean = (0..dim).map(|i| scale * offset * (1.0 + 0.3 * (i as f64).sin())).collect();
        let variances = (0..dim).map(|i| (scale * std * (1.0 + 0.5 * (i as f64).cos())).powi(2)).collect();
        let covariance = Covariance::diagonal("variance", variances).unwrap();
        Component { weight, law: Gaussian::new(mean, covariance).unwrap() }
    };
    let parts = vec![component(0.5, -1.0, 0.3), component(0.3, 1.2, 0.5), component(0.2, 0.1, 0.2)];
    Target::Mixture(Mixture::new(parts).unwrap())
}

/// Exact samples [n, d], f64.
fn points(target: &Target, n: u64) -> Tensor {
    let source = NoiseSource::new(3, Purpose::Target);
    let rows: Vec<f64> = (0..n).flat_map(|image| target.sample(&source, image)).collect();
    Tensor::from_slice(&rows).reshape([n as i64, -1])
}

fn vp(t_min: f64) -> Noising {
    Noising::continuous(Process::VP, t_min).unwrap()
}

fn density(target: &Target, noising: &Noising, x0: &Tensor, trace: Trace<'_>) -> LogDensity {
    let denoiser = ideal_denoiser(target, Device::Cpu).unwrap();
    let on = &mut |_| ControlFlow::Continue(());
    log_density(denoiser.as_ref(), noising, x0, trace, &Tolerance::default(), on).unwrap()
}

/// log q of the noised law at a level, in the data's units.
fn closed_form(target: &Target, level: &Level, x0: &Tensor) -> Vec<f64> {
    let rows: Vec<Vec<f64>> = Vec::try_from(x0).unwrap();
    let dim = target.dim() as f64;
    let of = |row: Vec<f64>| {
        let x_t: Vec<f64> = row.iter().map(|value| level.alpha() * value).collect();
        target.log_density(&x_t, level) + dim * level.alpha().ln()
    };
    rows.into_iter().map(of).collect()
}

fn mean_absolute_difference(got: &Tensor, expected: &[f64]) -> f64 {
    let expected = Tensor::from_slice(expected).unsqueeze(1);
    (got - expected).abs().mean(Kind::Double).double_value(&[])
}

#[test]
fn mixtures_get_their_own_density() {
    for (dim, n) in [(2, 200), (16, 40)] {
        let target = mixture(dim, 1.0);
        let x0 = points(&target, n);
        let noising = vp(1e-5);
        let got = density(&target, &noising, &x0, Trace::Exact);
        assert_eq!(got.nats.size(), [n as i64, 1]);
        // The law itself, and the law with the noise of the smallest time.
        for level in [Level::CLEAN, noising.ends().unwrap().0] {
            let error = mean_absolute_difference(&got.nats, &closed_form(&target, &level, &x0));
            assert!(error < 0.01, "{dim} dimensions at {level:?}: {error}");
        }
    }
}

#[test]
fn every_process_gives_the_density_at_its_least_noise() {
    let target = mixture(2, 1.0);
    let x0 = points(&target, 50);
    for noising in [
        Noising::Discrete(Schedule::linear(1000).unwrap()),
        vp(1e-3),
        Noising::continuous(Process::SubVariancePreserving { beta_min: 0.1, beta_max: 20.0 }, 1e-2).unwrap(),
        // Priors as wide as these do not differ from the noised law.
        Noising::continuous(Process::VarianceExploding { sigma_min: 0.01, sigma_max: 500.0 }, 0.0).unwrap(),
        Noising::continuous(Process::Edm { sigma_max: 500.0 }, 0.02).unwrap(),
    ] {
        let got = density(&target, &noising, &x0, Trace::Exact);
        let expected = closed_form(&target, &noising.ends().unwrap().0, &x0);
        let error = mean_absolute_difference(&got.nats, &expected);
        assert!(error < 0.01, "{noising:?}: {error}");
    }
}

#[test]
fn hutchinsons_estimate_is_unbiased() {
    let (target, n, probes) = (mixture(6, 1.0), 30, 24);
    let x0 = points(&target, n);
    let noising = vp(1e-3);
    let exact = density(&target, &noising, &x0, Trace::Exact).nats;
    let signs: Vec<Tensor> = (0..probes)
        .map(|k| random_signs(1, 0..n, k, &[6], Device::Cpu).unwrap().to_kind(Kind::Double))
        .collect();
    let estimates = density(&target, &noising, &x0, Trace::Probes(&signs)).nats;
    // One mean over the images a probe: the probes are independent.
    let differences = (estimates - exact).mean_dim([0i64].as_slice(), false, Kind::Double);
    let mean = differences.mean(Kind::Double).double_value(&[]);
    let stderr = differences.std(true).double_value(&[]) / (probes as f64).sqrt();
    assert!(stderr > 1e-4 && mean.abs() < 3.5 * stderr, "{mean} +- {stderr}");
}

/// The variational bound holds on average: log p of the flow of the true score is the true log density.
#[test]
fn the_bound_is_below_the_likelihood_on_the_same_points() {
    let (dim, n) = (2, 400);
    let target = mixture(dim, 0.3);
    // On a grid as fine as the decoder's, whose probability over its cell's width is a density.
    let half = f64::from(u16::MAX - 1) / 2.0;
    let x0 = (points(&target, n as u64) * half).round() / half;
    let schedule = Schedule::linear(1000).unwrap();
    let denoiser = ideal_denoiser(&target, Device::Cpu).unwrap();
    let steps = bound_steps(&schedule, Variance::FixedSmall, None).unwrap();
    tch::manual_seed(5);
    let bound = evaluate(denoiser.as_ref(), &schedule, &steps, &x0, u16::MAX, None, &mut |_| {
        Ok::<_, NetsError>(Tensor::randn([n, dim as i64], (Kind::Double, Device::Cpu)))
    })
    .unwrap();
    let code = bound.bits_per_dim() * (dim as f64 * std::f64::consts::LN_2);
    let bound = -(code + dim as f64 * (1.0 / half).ln());
    let exact = density(&target, &Noising::Discrete(schedule), &x0, Trace::Exact).nats.squeeze();
    let gap = &exact - &bound;
    let (mean, stderr) =
        (gap.mean(Kind::Double).double_value(&[]), gap.std(true).double_value(&[]) / (n as f64).sqrt());
    assert!(mean > 2.0 * stderr, "likelihood less bound: {mean} +- {stderr}");
    // The first steps of the schedule halve the noise: each costs (r - 1 - log r) d/2 nats at a ratio r of SNRs, together about 1.
    assert!(mean < 1.5, "the bound of 1000 steps is close: {mean}");
}

/// The derivative of a U-Net goes through its convolutions, norms and attention.
#[test]
fn traces_of_a_network_are_those_of_finite_differences() {
    let config: UNetConfig = serde_json::from_value(serde_json::json!({
        "sample_size": 4, "in_channels": 1, "out_channels": 1, "block_out_channels": [8, 8], "norm_num_groups": 4,
        "down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
    }))
    .unwrap();
    let network = UNet::new(config, Device::Cpu, 1).unwrap();
    tch::no_grad(|| {
        tch::manual_seed(2);
        for weight in network.parameters().tensors() {
            let _ = weight.shallow_clone().normal_(0.0, 0.2);
        }
    });
    let denoiser = NetworkDenoiser::new(&network, PredictionKind::Epsilon, None);
    let schedule = Schedule::linear(1000).unwrap();
    let level = schedule.level(TimeIndex(300));
    let x = Tensor::randn([3, 1, 4, 4], (Kind::Float, Device::Cpu));
    let exact = Trace::Exact.of(&denoiser, &x, &level).unwrap().1;
    let mut sum = Tensor::zeros([3], (Kind::Double, Device::Cpu));
    let step = 1e-2;
    for component in 0..16 {
        let unit = Tensor::zeros([1, 16], (Kind::Float, Device::Cpu));
        let _ = unit.select(1, component).fill_(step);
        let unit = unit.reshape([1, 1, 4, 4]);
        let at = |x: &Tensor| denoiser.predict(x, &level).unwrap().x0(x, &level).unwrap();
        let slope = (at(&(&x + &unit)) - at(&(&x - &unit))) / (2.0 * step);
        sum += slope.reshape([3, 16]).select(1, component).to_kind(Kind::Double);
    }
    let difference = (exact.squeeze() - &sum).abs().max().double_value(&[]);
    let scale = sum.abs().max().double_value(&[]);
    assert!(difference < 2e-3 * scale, "{difference} of {scale}");

    // And a whole likelihood of images ends, the same for a repetition.
    let noising = Noising::Discrete(schedule);
    let signs = [random_signs(0, 0..3, 0, &[1, 4, 4], Device::Cpu).unwrap()];
    let nats = |_: ()| {
        let on = &mut |_| ControlFlow::Continue(());
        let tolerance = Tolerance { relative: 1e-3, absolute: 1e-3 };
        log_density(&denoiser, &noising, &x, Trace::Probes(&signs), &tolerance, on).unwrap().nats
    };
    assert!(nats(()).equal(&nats(())));
}

/// Without a derivative there is no likelihood, and no silent zero either.
#[test]
fn a_denoiser_without_a_derivative_is_refused() {
    struct Constant;
    impl Denoiser for Constant {
        fn predict(&self, x: &Tensor, _: &Level) -> Result<ddpm_nets::Prediction, ddpm_nets::NetsError> {
            let value = x.detach() * 0.5;
            Ok(ddpm_nets::Prediction { kind: PredictionKind::Epsilon, value, variance_output: None })
        }
    }
    let x0 = Tensor::zeros([1, 2], (Kind::Double, Device::Cpu));
    let on = &mut |_| ControlFlow::Continue(());
    let error = log_density(&Constant, &vp(1e-3), &x0, Trace::Exact, &Tolerance::default(), on).unwrap_err();
    assert!(error.to_string().contains("without a derivative"), "{error}");
    let clean = Noising::continuous(Process::Edm { sigma_max: 80.0 }, 0.0).unwrap();
    let error = log_density(&Constant, &clean, &x0, Trace::Exact, &Tolerance::default(), on).unwrap_err();
    assert!(error.to_string().contains("t-min"), "{error}");
}
