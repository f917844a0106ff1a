//! Inpainting, encoding and interpolation.
// A failed unwrap is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::{keyed, numbers, on, trailing};
use ddpm_core::targets::Gaussian;
use ddpm_core::{Scheme, Variance};
use ddpm_nets::targets::GaussianTarget;
use ddpm_sample::{Inpainting, NoiseInput, Options, Tolerance, encode, interpolate, run, sample, sampler};
use tch::{Device, Kind, Tensor};

/// Two strongly correlated numbers and one apart.
fn correlated() -> GaussianTarget {
    let matrix = [1.0, 0.9, 0.0, 0.9, 1.0, 0.0, 0.0, 0.0, 0.25];
    GaussianTarget::new(&Gaussian::from_moments(vec![0.0; 3], &matrix).unwrap(), Device::Cpu).unwrap()
}

#[test]
fn inpainting_keeps_what_is_known_and_follows_its_correlations() {
    let target = correlated();
    let trajectory = trailing(200);
    let scheme = Scheme::Ddpm { variance: Variance::FixedLarge };
    let inner = sampler(&scheme, &trajectory, Tolerance::default()).unwrap();
    let known = Tensor::from_slice(&[1.5f32, 0.0, 0.0]);
    let mask = Tensor::from_slice(&[true, false, false]);
    let mut inpainting = Inpainting::new(inner, known, &mask);
    let mut noise = NoiseInput::keyed(0, &[3]).batch(0..4000, Device::Cpu).unwrap();
    let start = ddpm_sample::Noise::start(&mut noise, trajectory.start()).unwrap();
    let x = run(&target, &mut inpainting, start, &mut noise, &Options::default(), &mut on).unwrap().x;
    let mean = numbers(&x.mean_dim([0i64].as_slice(), false, Kind::Float));
    assert_eq!(x.select(1, 0).min().double_value(&[]), 1.5);
    assert_eq!(x.select(1, 0).max().double_value(&[]), 1.5);
    // Exact conditioning would give 0.9 x 1.5 = 1.35. Replacement is known to fall short: the module's documentation says by how much.
    assert!((mean[1] / 1.35 - 0.70).abs() < 0.03, "{mean:?}");
    assert!(mean[2].abs() < 0.05, "{mean:?}");
}

#[test]
fn encoding_and_sampling_are_inverse() {
    let target = correlated();
    let x0 = Tensor::from_slice(&[0.3f32, -0.2, 0.1, -1.2, -0.8, 0.6]).reshape([2, 3]);
    let mut before = f64::INFINITY;
    for steps in [100, 200, 400] {
        let trajectory = trailing(steps);
        let code = encode(&target, &trajectory, &x0, &Options::default(), &mut on).unwrap().x;
        let mut noise = NoiseInput::given(&code, None).unwrap().batch(0..2, Device::Cpu).unwrap();
        let back = sample(&target, &Scheme::OdeHeun, &trajectory, &mut noise, &Options::default(), &mut on)
            .unwrap()
            .x;
        let error = (back - &x0).abs().max().double_value(&[]);
        println!("encode and sample, {steps} steps: {error:.2e}");
        assert!(error < 0.6 * before);
        before = error;
    }
    assert!(before < 5e-3, "{before}");
}

#[test]
fn interpolation_keeps_the_norm_and_meets_its_ends() {
    let a = Tensor::randn([5, 3, 8, 8], (Kind::Double, Device::Cpu));
    let b = Tensor::randn([5, 3, 8, 8], (Kind::Double, Device::Cpu));
    assert!(interpolate(&a, &b, 0.0).unwrap().allclose(&a, 1e-12, 1e-12, false));
    assert!(interpolate(&a, &b, 1.0).unwrap().allclose(&b, 1e-12, 1e-12, false));
    let unit =
        |x: &Tensor| x / x.square().sum_dim_intlist([1i64, 2, 3].as_slice(), true, Kind::Double).sqrt();
    let middle = interpolate(&unit(&a), &unit(&b), 0.5).unwrap();
    assert!(unit(&middle).allclose(&middle, 1e-12, 1e-12, false));
    // A row and itself: no circle, and no NaN.
    assert!(interpolate(&a, &a, 0.3).unwrap().allclose(&a, 1e-7, 1e-7, false));
}

/// The same images at batch 64 and one by one, for a method with a memory.
#[test]
fn samples_do_not_depend_on_the_batch() {
    let target = correlated();
    let trajectory = trailing(15);
    for scheme in [
        Scheme::Dpmpp3mSde,
        Scheme::Edm { churn: ddpm_core::scheme::Churn { amount: 10.0, ..Default::default() } },
    ] {
        let whole = keyed(&target, &scheme, &trajectory, (64, 3), 9).x;
        for image in [0u64, 17, 63] {
            let mut noise = NoiseInput::keyed(9, &[3]).batch(image..image + 1, Device::Cpu).unwrap();
            let alone =
                sample(&target, &scheme, &trajectory, &mut noise, &Options::default(), &mut on).unwrap().x;
            let difference = (alone - whole.narrow(0, image as i64, 1)).abs().max().double_value(&[]);
            assert!(difference < 1e-4, "{scheme:?}: {difference}");
        }
    }
}
