//! The bound of a Gaussian with its ideal denoiser against the closed form.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use ddpm_core::bound_steps;
use ddpm_core::decomposition::{
    Decoder, Settings, VariationalBound, decoder_variance, decompose, reverse_steps,
};
use ddpm_core::targets::{Covariance, Gaussian};
use ddpm_core::{Level, Schedule, Target, TimeIndex, Variance};
use ddpm_nets::bound::evaluate;
use ddpm_nets::targets::ideal_denoiser;
use tch::{Device, Kind, Tensor};

const IMAGES: i64 = 20_000;
const VARIANCES: [f64; 2] = [0.05, 0.3];

fn target() -> Target {
    let covariance = Covariance::diagonal("variance", VARIANCES.to_vec()).unwrap();
    Target::Gaussian(Gaussian::new(vec![0.1, -0.2], covariance).unwrap())
}

/// Draws of a column and their mean with its standard error.
fn mean(values: &Tensor) -> (f64, f64) {
    let mean = values.mean(Kind::Double).double_value(&[]);
    let variance = (values - mean).square().mean(Kind::Double).double_value(&[]);
    (mean, (variance / values.numel() as f64).sqrt())
}

#[test]
fn the_bound_of_a_gaussian_is_the_closed_form() {
    tch::manual_seed(1);
    let double = (Kind::Double, Device::Cpu);
    let schedule = Schedule::linear(40).unwrap();
    let visited: Vec<Level> = schedule.levels().rev().collect();
    let target = target();
    let denoiser = ideal_denoiser(&target, Device::Cpu).unwrap();
    let stds = Tensor::from_slice(&VARIANCES.map(f64::sqrt));
    let x0 = Tensor::randn([IMAGES, 2], double) * stds + Tensor::from_slice(&[0.1f64, -0.2]);
    let second_moment = VARIANCES.iter().sum::<f64>() + 0.05;
    let terms = decompose(&target, &visited, &Settings::new(Variance::FixedLarge)).unwrap();
    let mse: Vec<f64> = terms.levels.iter().map(|level| level.mmse).collect();
    let per_component: Vec<f64> = mse.iter().map(|error| error / 2.0).collect();
    let rising: Vec<f64> = per_component.iter().rev().copied().collect();

    for variance in [Variance::FixedSmall, Variance::FixedLarge, Variance::Analytic] {
        let steps = bound_steps(&schedule, variance, Some(&rising)).unwrap();
        let mut lowest = None;
        let bound = evaluate(denoiser.as_ref(), &schedule, &steps, &x0, 256, None, &mut |t| {
            let noise = Tensor::randn([IMAGES, 2], double);
            if t == 0 {
                lowest = Some(noise.shallow_clone());
            }
            Ok::<_, ddpm_nets::NetsError>(noise)
        })
        .unwrap();

        // The decoder's code length of the first thousand images, number by number.
        let level = schedule.level(TimeIndex(0));
        let x_1 = &x0 * level.alpha() + lowest.unwrap() * level.sigma();
        let predicted = denoiser.predict(&x_1, &level).unwrap().x0(&x_1, &level).unwrap();
        let v = match variance {
            Variance::Analytic => rising[0],
            _ => decoder_variance(&visited).unwrap(),
        };
        let decoder = Decoder::new(256, v).unwrap();
        for i in 0..1000 {
            let nats: f64 =
                (0..2).map(|k| decoder.nats(x0.double_value(&[i, k]), predicted.double_value(&[i, k]))).sum();
            assert!((2.0 * bound.steps.double_value(&[i, 0]) - nats).abs() < 1e-5 * (1.0 + nats));
        }

        let (code, _) = mean(&(bound.steps.select(1, 0) * 2.0));
        let reverse = reverse_steps(&visited, variance, Some(&per_component)).unwrap();
        let closed = VariationalBound::new(&reverse, 2, second_moment, &mse, code).unwrap();
        let denoising =
            bound.steps.narrow(1, 1, 39).sum_dim_intlist([1i64].as_slice(), false, Kind::Double) * 2.0;
        for (what, got, expected) in [
            ("denoising", mean(&denoising), closed.denoising),
            ("prior", mean(&(&bound.prior * 2.0)), closed.prior),
            ("bits", mean(&bound.bits_per_dim()), closed.nats() / (2.0 * std::f64::consts::LN_2)),
        ] {
            let (value, error) = got;
            assert!(error < 0.02 * expected.abs(), "{variance} {what}: too few images");
            assert!(
                (value - expected).abs() < 4.5 * error,
                "{variance} {what}: {value} +- {error}, not {expected}"
            );
        }
    }
}
