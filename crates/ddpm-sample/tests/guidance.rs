//! Guidance on a labelled mixture, where the exact classifier and the exact conditional law are known.
// A failed unwrap is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::{keyed, linear, numbers, trailing};
use ddpm_core::targets::{Component, Covariance, Gaussian, Mixture};
use ddpm_core::{Level, Scheme, TimeIndex};
use ddpm_nets::targets::MixtureTarget;
use ddpm_nets::{Denoiser, NetsError, Prediction};
use ddpm_sample::guidance::{ClassifierFree, ClassifierGuided, Interval, MixtureClassifier};
use std::cell::Cell;
use tch::{Device, Kind, Tensor};

fn component(weight: f64, mean: [f64; 2], variance: f64) -> Component {
    let covariance = Covariance::isotropic("variance", variance, 2).unwrap();
    Component { weight, law: Gaussian::new(mean.to_vec(), covariance).unwrap() }
}

/// Components 0 and 1 are class 0, component 2 is class 1: [`CLASS_0`].
fn joint() -> Mixture {
    Mixture::new(vec![
        component(0.2, [-1.0, 0.5], 0.04),
        component(0.3, [0.2, -0.8], 0.09),
        component(0.5, [0.6, 0.6], 0.25),
    ])
    .unwrap()
}

const CLASS_0: [i64; 2] = [0, 1];

/// The law of class 0.
fn conditional() -> Mixture {
    Mixture::new(vec![component(0.4, [-1.0, 0.5], 0.04), component(0.6, [0.2, -0.8], 0.09)]).unwrap()
}

fn tensors(law: &Mixture) -> MixtureTarget {
    MixtureTarget::new(law, Device::Cpu).unwrap()
}

fn x0(denoiser: &dyn Denoiser, x: &Tensor, level: &Level) -> Tensor {
    denoiser.predict(x, level).unwrap().x0(x, level).unwrap()
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

#[test]
fn the_exact_classifier_at_weight_1_gives_the_conditional_denoiser() {
    let (all, class) = (tensors(&joint()), tensors(&conditional()));
    let classifier = MixtureClassifier::new(&all, &CLASS_0);
    let x = Tensor::randn([200, 2], (Kind::Double, Device::Cpu)) * 1.5;
    for t in [0, 10, 100, 500, 999] {
        let level = linear().level(TimeIndex(t));
        let guided = ClassifierGuided::new(&all, &classifier, 1.0, Interval::ALL);
        assert!(largest_difference(&x0(&guided, &x, &level), &x0(&class, &x, &level)) < 1e-9, "t = {t}");
        // Outside its interval guidance does nothing, and at another weight it does something else.
        let sigma = level.relative_sigma();
        let outside = Interval { low: 0.0, high: 0.9 * sigma };
        let off = ClassifierGuided::new(&all, &classifier, 1.0, outside);
        assert!(off.predict(&x, &level).unwrap().value.equal(&all.predict(&x, &level).unwrap().value));
        let strong = ClassifierGuided::new(&all, &classifier, 2.0, Interval::ALL);
        assert!(largest_difference(&x0(&strong, &x, &level), &x0(&class, &x, &level)) > 1e-6, "t = {t}");
    }
}

/// Sampling runs without gradients; the classifier must get them all the same.
#[test]
fn samples_guided_at_weight_1_are_the_conditional_samples() {
    let (all, class) = (tensors(&joint()), tensors(&conditional()));
    let classifier = MixtureClassifier::new(&all, &CLASS_0);
    let guided = ClassifierGuided::new(&all, &classifier, 1.0, Interval::ALL);
    let trajectory = trailing(30);
    let run = |denoiser: &dyn Denoiser| keyed(denoiser, &Scheme::Dpmpp2m, &trajectory, (500, 2), 4).x;
    assert!(largest_difference(&run(&guided), &run(&class)) < 1e-4);
}

/// What the module's documentation says of weights other than 1, in numbers: a weight of 3 squeezes class 0 further than the density
/// p(x_0) p(y | x_0)^3 does, and moves its mean.
#[test]
fn guidance_is_not_the_tilted_density() {
    let all = tensors(&joint());
    let classifier = MixtureClassifier::new(&all, &CLASS_0);
    let weight = 3.0;
    let guided = ClassifierGuided::new(&all, &classifier, weight, Interval::ALL);
    let x = keyed(&guided, &Scheme::OdeHeun, &trailing(60), (5_000, 2), 1).x.to_kind(Kind::Double);
    let guided_mean = numbers(&x.mean_dim([0i64].as_slice(), false, Kind::Double));

    // The tilted density by importance weights on a fine grid of the plane, without noise (the level's sigma is far below every component).
    let clean = Level::variance_exploding(60.0, ddpm_core::Time::Sigma(1e-13));
    let line = Tensor::linspace(-3.0, 3.0, 601, (Kind::Double, Device::Cpu));
    let grid = Tensor::stack(&Tensor::meshgrid_indexing(&[&line, &line], "ij"), -1).reshape([-1, 2]);
    let log_joint = all.log_joint(&grid, &clean).unwrap();
    let log_sum = |t: &Tensor| t.logsumexp([1i64].as_slice(), false);
    let log_class = log_sum(&log_joint.narrow(1, 0, 2)) - log_sum(&log_joint);
    let tilted = (log_sum(&log_joint) + log_class * weight).softmax(0, Kind::Double);
    let tilted_mean =
        numbers(&(tilted.unsqueeze(1) * &grid).sum_dim_intlist([0i64].as_slice(), false, Kind::Double));

    let distance = guided_mean.iter().zip(&tilted_mean).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    println!(
        "weight {weight}: mean of the guided samples {guided_mean:.4?}, of the tilted density {tilted_mean:.4?}"
    );
    // 5,000 samples of unit spread at most: a standard error below 0.015.
    assert!(distance > 0.1, "{guided_mean:?} {tilted_mean:?}");
}

#[test]
fn classifier_free_guidance_extrapolates_from_one_batched_evaluation() {
    let (all, class) = (tensors(&joint()), tensors(&conditional()));
    let calls = Cell::new(0);
    // Label 0 is class 0, label 2 means no class. A batch that mixes them is answered row by row.
    let network = |x: &Tensor, level: &Level, labels: &Tensor| -> Result<Prediction, NetsError> {
        calls.set(calls.get() + 1);
        let (conditional, unconditional) = (class.predict(x, level)?, all.predict(x, level)?);
        let none = labels.eq(2).unsqueeze(1);
        let value = unconditional.value.where_self(&none, &conditional.value);
        Ok(Prediction { value, ..conditional })
    };
    let level = linear().level(TimeIndex(300));
    let x = Tensor::randn([6, 2], (Kind::Double, Device::Cpu));
    let labels = Tensor::zeros([6], (Kind::Int64, Device::Cpu));
    let predict = |weight: f64, interval: Interval| {
        ClassifierFree::new(&network, labels.shallow_clone(), 2, weight, interval)
            .predict(&x, &level)
            .unwrap()
            .value
    };
    let (with, without) = (x0(&class, &x, &level), x0(&all, &x, &level));
    assert!(largest_difference(&predict(1.0, Interval::ALL), &with) < 1e-12);
    assert!(largest_difference(&predict(0.0, Interval::ALL), &without) < 1e-12);
    calls.set(0);
    let expected = &without + (&with - &without) * 2.5;
    assert!(largest_difference(&predict(2.5, Interval::ALL), &expected) < 1e-12);
    assert_eq!(calls.get(), 1);
    // Outside the interval: the conditional denoiser.
    let high = Interval { low: 10.0 * level.relative_sigma(), high: f64::INFINITY };
    assert!(largest_difference(&predict(2.5, high), &with) < 1e-12);

    let short = ClassifierFree::new(&network, labels.narrow(0, 0, 4), 2, 2.0, Interval::ALL);
    let error = short.predict(&x, &level).unwrap_err().to_string();
    assert!(error.contains("labels: expected [6] of kind Int64, got [4]"), "{error}");
}
