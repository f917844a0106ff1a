//! On Gaussian targets a linear sampler's law is known exactly: `ddpm_core::recursion` predicts it, the tensor samplers must have it.
// A failed unwrap is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::{keyed, linear, numbers, on, trailing};
use ddpm_core::recursion::{GaussianDenoiser, Moments, Start, continuous_law, sample_law, w2};
use ddpm_core::scheme::Churn;
use ddpm_core::targets::{Covariance, Gaussian};
use ddpm_core::{Level, Process, SAMPLERS, Scale, Scheme, Trajectory, Variance};
use ddpm_nets::targets::GaussianTarget;
use ddpm_sample::{NoiseInput, Options, Tolerance, sample};
use tch::{Device, Kind, Tensor};

/// Every sampler with fixed steps, and options that the table's defaults leave out.
fn runs() -> Vec<(Scheme, Trajectory)> {
    let churn = Churn { amount: 5.0, min: 0.02, max: 20.0, noise: 1.0 };
    let defaults = SAMPLERS.iter().filter(|info| info.fixed_steps).map(|info| info.scheme);
    let others = [
        Scheme::Ddpm { variance: Variance::FixedSmall },
        Scheme::ddim(0.6),
        Scheme::Edm { churn },
        Scheme::PredictorCorrector { signal_to_noise: 0.1, corrections: 2 },
    ];
    let run = |scheme| match scheme {
        Scheme::Langevin { .. } => (Scheme::Langevin { relative_step: 0.1, steps: 30 }, trailing(1)),
        Scheme::AnnealedLangevin { .. } => {
            (Scheme::AnnealedLangevin { epsilon: Some(2e-5), steps: 2, constant_step: false }, trailing(20))
        }
        // Its rate must stay below 1 in every step.
        Scheme::DdpmRate => (scheme, trailing(60)),
        _ => (scheme, trailing(25)),
    };
    defaults.chain(others).map(run).collect()
}

/// A sampler with fixed steps is an affine map of its starting state and its draws. One image for each of them, with a 1 there and 0
/// elsewhere, reads off the map, so that no Monte-Carlo error hides a wrong coefficient.
#[test]
fn every_coefficient_of_every_sampler_is_the_recursions() {
    let law =
        Gaussian::new(vec![0.5, -1.0, 0.2, 0.0], Covariance::Diagonal(vec![0.02, 0.3, 1.0, 4.0])).unwrap();
    let exact = GaussianDenoiser::new(&law, 0.0);
    let target = GaussianTarget::new(&law, Device::Cpu).unwrap();
    for (scheme, trajectory) in runs() {
        let plan = scheme.plan(&trajectory).unwrap();
        let draws: usize = plan.iter().map(ddpm_core::Step::draws).sum();
        let n = draws as i64 + 2;
        // Image 0 has no input, image 1 the starting state, image 2 + k draw k.
        let x_t = Tensor::zeros([n, 4], (Kind::Float, Device::Cpu));
        let _ = x_t.get(1).fill_(1.0);
        let z = Tensor::zeros([draws as i64, n, 4], (Kind::Float, Device::Cpu));
        for k in 0..draws as i64 {
            let _ = z.get(k).get(k + 2).fill_(1.0);
        }
        let noise = NoiseInput::given(&x_t, Some(&z)).unwrap();
        let mut batch = noise.batch(0..n as u64, Device::Cpu).unwrap();
        let samples =
            sample(&target, &scheme, &trajectory, &mut batch, &Options::default(), &mut on).unwrap();
        assert_eq!(
            (samples.steps, samples.evaluations as usize),
            (plan.len(), plan.iter().map(ddpm_core::Step::evaluations).sum())
        );
        let x = samples.x.to_kind(Kind::Double);
        let offset = x.get(0);
        let responses = &x - &offset;
        let variance =
            responses.narrow(0, 2, n - 2).square().sum_dim_intlist([0i64].as_slice(), false, Kind::Double);
        for (i, transfer) in exact.transfers(&plan).iter().enumerate() {
            let at = |values: &Tensor| values.double_value(&[i as i64]);
            let got = [at(&responses.get(1)), at(&offset), at(&variance)];
            let expected = [transfer.gain, transfer.offset, transfer.variance];
            for (name, (got, expected)) in ["gain", "offset", "variance"].iter().zip(got.iter().zip(expected))
            {
                // The state is f32, and single-precision errors grow where a step amplifies the state.
                let allowed = 2e-5 * (1.0 + expected.abs());
                assert!(
                    (got - expected).abs() < allowed,
                    "{scheme:?}, direction {i}: {name} {got} instead of {expected}"
                );
            }
        }
    }
}

#[test]
fn samples_have_the_predicted_mean_and_covariance() {
    let matrix = [1.0, 0.5, 0.1, 0.5, 0.6, -0.2, 0.1, -0.2, 0.3];
    let law = Gaussian::from_moments(vec![0.5, -1.0, 0.2], &matrix).unwrap();
    let exact = GaussianDenoiser::new(&law, 0.0);
    let target = GaussianTarget::new(&law, Device::Cpu).unwrap();
    let Covariance::Full { vectors, .. } = law.covariance() else { unreachable!("a full covariance") };
    let basis = Tensor::from_slice(vectors.as_slice()).reshape([3, 3]);
    let n = 5_000;
    for (index, (scheme, trajectory)) in runs().into_iter().enumerate() {
        let expected = sample_law(&exact, &trajectory, &scheme.plan(&trajectory).unwrap(), Start::Prior);
        let x = keyed(&target, &scheme, &trajectory, (n, 3), index as u64).x.to_kind(Kind::Double);
        // Along the eigenvectors, whose coordinates are independent.
        let coordinates = x.matmul(&basis.tr());
        let centred = &coordinates - Tensor::from_slice(&expected.iter().map(|m| m.mean).collect::<Vec<_>>());
        let mean = numbers(&centred.mean_dim([0i64].as_slice(), false, Kind::Double));
        let second = numbers(&(centred.tr().matmul(&centred) / n as f64));
        for i in 0..3 {
            let v_i = expected[i].variance;
            assert!(
                mean[i].abs() < 4.5 * (v_i / n as f64).sqrt(),
                "{scheme:?}: mean of direction {i} off by {}",
                mean[i]
            );
            for j in 0..=i {
                let v_j = expected[j].variance;
                let (exact, spread) = if i == j { (v_i, 2.0 * v_i * v_i) } else { (0.0, v_i * v_j) };
                let error = (second[3 * i + j] - exact).abs();
                assert!(
                    error < 4.5 * (spread / n as f64).sqrt(),
                    "{scheme:?}: covariance [{i}][{j}] off by {error}"
                );
            }
        }
        w2_is_as_predicted(&scheme, &coordinates, &expected, &exact.marginal(&Level::CLEAN));
    }
}

/// W2 between the samples' Gaussian and the target is what the recursion predicts. Along each of the eigenvectors the mean of n samples is off
/// by sqrt(v/n) and their standard deviation by sqrt(v/2n), so that their Gaussian is sqrt(1.5 sum v/n) away from their law; by the triangle
/// inequality, W2 to the target is off by no more.
fn w2_is_as_predicted(scheme: &Scheme, coordinates: &Tensor, predicted: &[Moments], target: &[Moments]) {
    let n = coordinates.size()[0] as f64;
    let (std, mean) = coordinates.std_mean_dim([0i64].as_slice(), true, false);
    let moments = |(mean, std): (f64, f64)| Moments { mean, variance: std * std };
    let sampled: Vec<Moments> = numbers(&mean).into_iter().zip(numbers(&std)).map(moments).collect();
    let allowed = 3.0 * (1.5 * predicted.iter().map(|m| m.variance / n).sum::<f64>()).sqrt();
    let (got, expected) = (w2(&sampled, target), w2(predicted, target));
    assert!((got - expected).abs() < allowed, "{scheme:?}: W2 {got} instead of {expected} +- {allowed}");
}

#[test]
fn the_adaptive_solver_is_as_far_from_the_target_as_the_flow() {
    let law = Gaussian::new(vec![0.5, -1.0, 0.2], Covariance::Diagonal(vec![0.05, 0.6, 1.5])).unwrap();
    let exact = GaussianDenoiser::new(&law, 0.0);
    let target = GaussianTarget::new(&law, Device::Cpu).unwrap();
    let trajectory = trailing(1000);
    let (start, lowest) = (trajectory.start(), &trajectory.levels()[999]);
    // The flow from N(0, I) to the lowest level, and the decoder's step from there.
    let flow = continuous_law(&exact, start, lowest, Start::Prior, false);
    let last = Trajectory::of_levels(vec![*lowest, Level::CLEAN], Scale::VariancePreserving, None).unwrap();
    let decode = exact.transfers(&Scheme::OdeEuler.plan(&last).unwrap());
    let predicted: Vec<Moments> =
        decode.iter().zip(flow).map(|(transfer, moments)| transfer.apply(moments)).collect();
    let x = keyed(&target, &Scheme::OdeRk45, &trajectory, (5_000, 3), 18).x.to_kind(Kind::Double);
    w2_is_as_predicted(&Scheme::OdeRk45, &x, &predicted, &exact.marginal(&Level::CLEAN));
}

#[test]
fn the_adaptive_solver_meets_its_tolerance_and_counts_its_evaluations() {
    let law = Gaussian::new(vec![0.5, -1.0], Covariance::Diagonal(vec![0.05, 1.5])).unwrap();
    let exact = GaussianDenoiser::new(&law, 0.0);
    let target = GaussianTarget::new(&law, Device::Cpu).unwrap();
    let process = Process::from_schedule(&linear()).unwrap();
    let levels = trailing(1000).levels()[..1000].to_vec();
    let noised = Trajectory::of_levels(levels, Scale::VariancePreserving, Some(process)).unwrap();
    let x_t = Tensor::from_slice(&[1.0f32, 1.0, -2.0, 0.5, 0.0, 0.0]).reshape([3, 2]);
    let noise = NoiseInput::given(&x_t, None).unwrap();
    let mut before = u64::MAX;
    for tolerance in [1e-6, 1e-5, 1e-4] {
        let options = Options {
            tolerance: Tolerance { relative: tolerance, absolute: tolerance },
            ..Options::default()
        };
        let mut batch = noise.batch(0..3, Device::Cpu).unwrap();
        let out = sample(&target, &Scheme::OdeRk45, &noised, &mut batch, &options, &mut on).unwrap();
        // The flow keeps each point at its number of standard deviations from the mean.
        let expected: Vec<f64> = numbers(&x_t)
            .iter()
            .enumerate()
            .map(|(k, start)| {
                let high = exact.start(Start::Marginal, noised.start())[k % 2];
                let low = exact.start(Start::Marginal, noised.end())[k % 2];
                low.mean + (low.variance / high.variance).sqrt() * (start - high.mean)
            })
            .collect();
        let error = numbers(&out.x).iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        println!(
            "ode-rk45, rtol = atol = {tolerance:e}: {} steps, {} evaluations, error {error:.1e}",
            out.steps, out.evaluations
        );
        assert!(error < 20.0 * tolerance, "{error}");
        // Six a step, one to begin with; rejected steps on top.
        assert!(out.evaluations > 6 * out.steps as u64 && out.evaluations < before);
        before = out.evaluations;
    }
}
