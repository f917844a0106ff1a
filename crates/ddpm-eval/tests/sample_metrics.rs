//! Distances of sets of features against numpy, scipy and mpmath (`golden/sample_metrics.py`), and against what is known of their errors.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use ddpm_eval::EvalError;
use ddpm_eval::sample_metrics::{
    FeatureMoments, frechet_distance, inception_score, kernel_distance, manifold_metrics,
};
use ddpm_testkit::hashed;
use serde_json::Value;
use tch::{Device, Kind, Tensor};

fn on(_: usize, _: usize) -> Result<(), EvalError> {
    Ok(())
}

/// The features of the generator.
fn features(name: &str, n: i64, d: i64) -> Tensor {
    let values: Vec<f64> = hashed::uniform(name, (n * d) as usize).map(|v| f64::from(v as f32)).collect();
    Tensor::from_slice(&values).reshape([n, d])
}

/// With columns of zeros from `rank` on.
fn flat(name: &str, n: i64, d: i64, rank: i64) -> Tensor {
    let x = features(name, n, d);
    let _ = x.narrow(1, rank, d - rank).zero_();
    x
}

fn golden() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/sample_metrics.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn close(what: &str, got: f64, expected: &Value, relative: f64) {
    let expected = expected.as_f64().unwrap();
    assert!((got - expected).abs() <= relative * expected.abs(), "{what}: {got}, expected {expected}");
}

#[test]
fn distances_are_those_of_independent_code() {
    let golden = golden();
    let (a, b) = (features("a", 60, 5), features("b", 75, 5) * 1.3 + 0.2);
    let raw = |a: &Tensor, b: &Tensor| frechet_distance(a, b, &mut on).unwrap().raw;
    close("Fréchet", raw(&a, &b), &golden["frechet"], 1e-12);
    close(
        "Fréchet, singular",
        raw(&flat("a", 40, 6, 4), &flat("b", 50, 6, 3)),
        &golden["frechet_singular"],
        1e-12,
    );
    close("Fréchet, n < d", raw(&features("a", 5, 8), &features("b", 6, 8)), &golden["frechet_few"], 1e-10);
    close("KID", kernel_distance(&a, &b, &mut on).unwrap().value, &golden["kid"], 1e-12);
    let found = manifold_metrics(&a, &b, &mut on).unwrap();
    for (name, value) in [
        ("precision", found.precision),
        ("recall", found.recall),
        ("density", found.density),
        ("coverage", found.coverage),
    ] {
        close(name, value, &golden["manifold"][name], 1e-12);
    }
    let score = inception_score(&(features("logits", 53, 7) * 4.0)).unwrap();
    close("Inception Score", score.value, &golden["inception_score"][0], 1e-12);
    close("its deviation", score.stderr, &golden["inception_score"][1], 1e-10);
}

/// Whatever the rank: equal sets have the distance 0 to 1e-9 of the trace, and a shift adds its square.
#[test]
fn equal_sets_have_no_distance() {
    tch::manual_seed(1);
    for (n, d, rank) in [(50, 6, 6), (50, 6, 2), (4, 30, 30), (300, 64, 64)] {
        let x = Tensor::randn([n, rank], (Kind::Double, Device::Cpu))
            .matmul(&Tensor::randn([rank, d], (Kind::Double, Device::Cpu)));
        let moments = FeatureMoments::of(&x).unwrap();
        let trace = moments.covariance().unwrap().trace().double_value(&[]);
        let same = moments.frechet_distance(&moments).unwrap();
        assert!(same <= 1e-9 * trace, "n {n}, d {d}, rank {rank}: {same} of {trace}");
        let shifted = FeatureMoments::of(&(&x + 2.0)).unwrap().frechet_distance(&moments).unwrap();
        assert!((shifted - 4.0 * d as f64).abs() < 1e-9 * (trace + 4.0 * d as f64), "{shifted}");
    }
}

/// N(0, diag i^-0.7) in 64 dimensions against the same with 1.2 times the covariance: the true distance is 0.0807. The raw distance is biased
/// upwards; the interval of the corrected one covers the truth as often as it says.
#[test]
fn the_interval_of_a_frechet_distance_covers_the_truth() {
    tch::manual_seed(5);
    let lambda: Vec<f64> = (1..=64).map(|i| f64::from(i).powf(-0.7)).collect();
    let truth: f64 = lambda.iter().map(|l| (1.2f64.sqrt() - 1.0).powi(2) * l).sum();
    assert!((truth - 0.0807).abs() < 5e-5, "{truth}");
    let scale = Tensor::from_slice(&lambda).sqrt();
    let draw = || Tensor::randn([800, 64], (Kind::Double, Device::Cpu)) * &scale;
    let (runs, mut covered, mut raw, mut corrected) = (60, 0, 0.0, 0.0);
    for _ in 0..runs {
        let found = frechet_distance(&draw(), &(draw() * 1.2f64.sqrt()), &mut on).unwrap();
        let estimate = found.corrected.unwrap();
        // Student's t with 19 degrees of freedom.
        covered += i32::from((estimate.value - truth).abs() <= 2.093 * estimate.stderr);
        raw += found.raw / f64::from(runs);
        corrected += estimate.value / f64::from(runs);
    }
    assert!(covered >= 53, "{covered} of {runs} intervals cover");
    assert!(raw > truth + 0.2 && (corrected - truth).abs() < 0.02, "raw {raw}, corrected {corrected}");
}

/// KID has no bias, and its standard error is the spread of its values.
#[test]
fn the_error_of_a_kernel_distance_is_its_spread() {
    tch::manual_seed(7);
    let (runs, mut values, mut errors) = (80, Vec::new(), 0.0);
    for _ in 0..runs {
        let x = |n| Tensor::randn([n, 4], (Kind::Double, Device::Cpu));
        let found = kernel_distance(&x(100), &x(120), &mut on).unwrap();
        values.push(found.value);
        errors += found.stderr / f64::from(runs);
    }
    let mean = values.iter().sum::<f64>() / f64::from(runs);
    let spread = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / f64::from(runs - 1)).sqrt();
    assert!(mean.abs() < 3.0 * spread / f64::from(runs).sqrt(), "mean {mean}, spread {spread}");
    assert!((errors / spread - 1.0).abs() < 0.5, "mean error {errors}, spread {spread}");
}

#[test]
fn features_that_do_not_fit_are_refused() {
    let x = |n, d| Tensor::zeros([n, d], (Kind::Float, Device::Cpu));
    let text = |a: &Tensor, b: &Tensor| frechet_distance(a, b, &mut on).unwrap_err().to_string();
    assert!(text(&x(5, 3), &x(5, 4)).contains("columns in both"));
    assert!(text(&x(1, 3), &x(5, 3)).contains("at least 2"));
    assert!(text(&(x(5, 3) * f64::NAN), &x(5, 3)).contains("finite"));
    assert!(manifold_metrics(&x(5, 3), &x(9, 3), &mut on).is_err());
    assert!(inception_score(&x(9, 3)).is_err());
}
