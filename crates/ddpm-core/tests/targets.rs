//! Targets: their densities, denoisers and samples against finite differences, each other and moments.
#![allow(clippy::unwrap_used)]

use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::targets::{Component, Covariance, Empirical, Gaussian, Mixture};
use ddpm_core::{Level, Target, TargetSpec, Time};
use nalgebra::DMatrix;

fn parse(text: &str) -> Target {
    serde_json::from_str::<TargetSpec>(text).unwrap().build().unwrap()
}

fn full_gaussian() -> Target {
    parse(r#"{"kind":"gaussian","mean":[0.3,-0.2,1],"cov":[[1,0.5,0.1],[0.5,0.8,-0.2],[0.1,-0.2,0.3]]}"#)
}

fn targets() -> Vec<(&'static str, Target)> {
    vec![
        ("gaussian", full_gaussian()),
        ("diagonal", parse(r#"{"kind":"gaussian","mean":[0.3,-0.2],"var":[0.4,2.0]}"#)),
        (
            "reference",
            parse(r#"{"kind":"mixture","weights":[0.3,0.7],"means":[[-1.5],[1]],"stds":[0.25,0.4]}"#),
        ),
        (
            "full mixture",
            parse(
                r#"{"kind":"mixture","weights":[0.5,0.2,0.3],"means":[[-1,0],[1,1],[0.5,-1]],
                    "covs":[[[0.3,0.1],[0.1,0.2]],[[0.1,0],[0,0.4]],[[0.2,-0.15],[-0.15,0.2]]]}"#,
            ),
        ),
        ("empirical", Target::Empirical(Empirical::new(2, vec![0.1, 0.2, -1.0, 0.4, 0.7, -0.9]).unwrap())),
    ]
}

fn levels() -> Vec<Level> {
    let mut levels = Vec::new();
    for log_snr in [-5.0, -0.7, 2.0, 4.5] {
        levels.push(Level::variance_preserving(log_snr, Time::Clean));
        levels.push(Level::variance_exploding(log_snr, Time::Clean));
    }
    levels
}

/// A point where the law at a level has mass.
fn point(target: &Target, level: &Level, image: u64) -> Vec<f64> {
    let x0 = target.sample(&NoiseSource::new(3, Purpose::Target), image);
    let eps = NoiseSource::new(3, Purpose::Evaluation).normal(image, 0, x0.len());
    x0.iter().zip(eps).map(|(x, e)| level.alpha() * x + level.sigma() * e).collect()
}

#[test]
fn the_score_is_the_gradient_of_the_log_density_and_tweedies_denoiser() {
    for (name, target) in targets() {
        for level in levels() {
            for image in 0..5 {
                let x = point(&target, &level, image);
                let (score, mean) = (target.score(&x, &level), target.denoise(&x, &level));
                for i in 0..x.len() {
                    let h = 1e-5 * level.sigma();
                    let shifted = |by: f64| {
                        let mut x = x.clone();
                        x[i] += by;
                        target.log_density(&x, &level)
                    };
                    let gradient = (shifted(h) - shifted(-h)) / (2.0 * h);
                    let scale = 1.0 + gradient.abs() + 1.0 / level.sigma();
                    assert!((gradient - score[i]).abs() < 1e-5 * scale, "{name} {gradient} {}", score[i]);
                    let tweedie = (x[i] + level.sigma().powi(2) * score[i]) / level.alpha();
                    assert!((tweedie - mean[i]).abs() < 1e-9 * (1.0 + x[i].abs() / level.alpha()), "{name}");
                }
            }
        }
    }
}

#[test]
fn the_posterior_covariance_is_the_denoisers_jacobian() {
    for (name, target) in targets() {
        for level in levels() {
            let x = point(&target, &level, 1);
            let covariance = target.posterior_covariance(&x, &level);
            assert!(
                (covariance.trace() - target.at(&x, &level).variance).abs()
                    < 1e-10 * (1.0 + covariance.trace())
            );
            for j in 0..x.len() {
                let h = 1e-5 * level.sigma();
                let shifted = |by: f64| {
                    let mut x = x.clone();
                    x[j] += by;
                    target.denoise(&x, &level)
                };
                let (up, down) = (shifted(h), shifted(-h));
                for i in 0..x.len() {
                    // Cov[x_0 | x] = (sigma^2/alpha) dD/dx.
                    let jacobian = level.sigma().powi(2) / level.alpha() * (up[i] - down[i]) / (2.0 * h);
                    assert!(
                        (jacobian - covariance[(i, j)]).abs() < 1e-5,
                        "{name} {jacobian} {}",
                        covariance[(i, j)]
                    );
                }
            }
        }
    }
}

#[test]
fn one_component_is_a_gaussian_and_narrow_ones_are_points() {
    let Target::Gaussian(law) = full_gaussian() else { unreachable!() };
    let mixture = Target::Mixture(Mixture::new(vec![Component { weight: 1.0, law: law.clone() }]).unwrap());
    let points = [0.1, 0.2, -1.0, 0.4, 0.7, -0.9];
    let empirical = Target::Empirical(Empirical::new(2, points.to_vec()).unwrap());
    let narrow = Target::Mixture(
        Mixture::new(
            points
                .chunks(2)
                .map(|m| Component {
                    weight: 1.0 / 3.0,
                    law: Gaussian::new(m.to_vec(), Covariance::isotropic("std", 1e-14, 2).unwrap()).unwrap(),
                })
                .collect(),
        )
        .unwrap(),
    );
    for level in levels() {
        for (a, b) in [(&Target::Gaussian(law.clone()), &mixture), (&empirical, &narrow)] {
            let x = point(a, &level, 2);
            let (a, b) = (a.at(&x, &level), b.at(&x, &level));
            assert!((a.log_density - b.log_density).abs() < 1e-7);
            assert!(a.mean.iter().zip(&b.mean).all(|(a, b)| (a - b).abs() < 1e-7));
            assert!((a.variance - b.variance).abs() < 1e-7);
        }
    }
}

#[test]
fn samples_have_the_moments_of_the_law() {
    let source = NoiseSource::new(11, Purpose::Target);
    let n = 40_000u64;
    for (name, target) in targets() {
        let matched = target.matched_gaussian().unwrap();
        let covariance = matched.covariance().map(|l| l);
        let d = target.dim();
        let mut mean = vec![0.0; d];
        let mut second = DMatrix::<f64>::zeros(d, d);
        for image in 0..n {
            let x = target.sample(&source, image);
            for i in 0..d {
                mean[i] += x[i] / n as f64;
                for j in 0..d {
                    second[(i, j)] += x[i] * x[j] / n as f64;
                }
            }
        }
        let norm: f64 = (0..d).map(|i| second[(i, i)]).sum();
        assert!((norm - target.second_moment()).abs() < 0.03 * (1.0 + norm), "{name}");
        for i in 0..d {
            assert!(
                (mean[i] - target.mean()[i]).abs() < 5.0 * (covariance[(i, i)] / n as f64).sqrt(),
                "{name}"
            );
            for j in 0..d {
                let estimate = second[(i, j)] - mean[i] * mean[j];
                assert!(
                    (estimate - covariance[(i, j)]).abs() < 0.04,
                    "{name} {estimate} {}",
                    covariance[(i, j)]
                );
            }
        }
    }
}

#[test]
fn thousands_of_dimensions_and_every_noise_level_stay_finite() {
    let d = 4096;
    let mean = |sign: f64| (0..d).map(|i| sign * (f64::from(i) * 0.37).sin()).collect::<Vec<f64>>();
    let component = |weight, sign, std: f64| Component {
        weight,
        law: Gaussian::new(mean(sign), Covariance::isotropic("std", std * std, d as usize).unwrap()).unwrap(),
    };
    let mixture =
        Target::Mixture(Mixture::new(vec![component(0.2, -1.0, 0.1), component(0.8, 1.0, 0.3)]).unwrap());
    let points: Vec<f64> = mean(1.0).into_iter().chain(mean(-1.0)).chain(mean(0.5)).collect();
    let empirical = Target::Empirical(Empirical::new(d as usize, points).unwrap());
    for target in [mixture, empirical] {
        for log_snr in [-60.0, -20.0, 0.0, 20.0, 60.0] {
            for level in [
                Level::variance_preserving(log_snr, Time::Clean),
                Level::variance_exploding(log_snr, Time::Clean),
            ] {
                // A point of the law, and one far from it.
                for x in [point(&target, &level, 0), vec![30.0; d as usize]] {
                    let at = target.at(&x, &level);
                    assert!(at.log_density.is_finite() && at.variance.is_finite() && at.variance >= 0.0);
                    assert!(at.mean.iter().all(|m| m.is_finite() && m.abs() < 31.0));
                }
            }
        }
    }
}

#[test]
fn without_noise_the_denoiser_is_the_identity_or_the_nearest_point() {
    let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
    let x = [0.2, -0.4, 0.9];
    assert!(close(&full_gaussian().denoise(&x, &Level::CLEAN), &x));
    let empirical = Empirical::new(2, vec![0.1, 0.2, -1.0, 0.4]).unwrap();
    assert_eq!(empirical.at(&[-0.6, 0.0], &Level::CLEAN).mean, [-1.0, 0.4]);
    assert_eq!(empirical.at(&[-1.0, 0.4], &Level::CLEAN).mean, [-1.0, 0.4]);
}

#[test]
fn a_fitted_covariance_may_be_singular() {
    // Three components, two of them equal and one constant.
    let covariance = [0.5, 0.5, 0.0, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0];
    let law = Gaussian::from_moments(vec![0.1, 0.1, -1.0], &covariance).unwrap();
    let mut values = law.covariance().eigenvalues();
    values.sort_by(f64::total_cmp);
    assert!(values[0] == 0.0 && values[1].abs() < 1e-12 && (values[2] - 1.0).abs() < 1e-12);
    let level = Level::variance_preserving(0.3, Time::Clean);
    let mean = law.at(&[0.5, 0.2, 0.0], &level).mean;
    assert!((mean[0] - mean[1]).abs() < 1e-12 && (mean[2] + 1.0).abs() < 1e-12);
    assert!(Gaussian::from_moments(vec![0.0; 2], &[1.0, 2.0, 2.0, 1.0]).is_err());
    assert!(Gaussian::from_moments(vec![0.0; 2], &[1.0; 3]).is_err());
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    for (text, expected) in [
        (
            r#"{"kind":"gaussian","mean":[0,0],"cov":[[1,2],[2,1]]}"#,
            "cov must be symmetric and positive definite: its Cholesky factorization fails; the smallest eigenvalue is -1.000e0",
        ),
        (
            r#"{"kind":"gaussian","mean":[0,0],"cov":[[1,0.2],[0.1,1]]}"#,
            "cov must be symmetric and positive definite: entry [1][0] is 0.1 but [0][1] is 0.2",
        ),
        (r#"{"kind":"gaussian","mean":[0,0],"cov":[[1,0],[0]]}"#, "cov[1] must have 2 entries, got 1"),
        (r#"{"kind":"gaussian","mean":[0,0],"cov":[[1]]}"#, "cov must have 2 entries, got 1"),
        (r#"{"kind":"gaussian","mean":[0,0],"var":[1]}"#, "var must have 2 entries, got 1"),
        (
            r#"{"kind":"gaussian","mean":[0],"var":[-1]}"#,
            "var[0] must be symmetric and positive definite: the variance -1 is not a positive number",
        ),
        (r#"{"kind":"gaussian","mean":[0]}"#, "a gaussian target needs cov or var"),
        (r#"{"kind":"gaussian","var":[1]}"#, "a gaussian target needs mean (or file)"),
        (
            r#"{"kind":"gaussian","mean":[0],"var":[1],"cov":[[1]]}"#,
            "a gaussian target takes cov or var, not both",
        ),
        (r#"{"kind":"gaussian","mean":[],"var":[]}"#, "mean must have 1 entries, got 0"),
        (
            r#"{"kind":"mixture","weights":[0.3,0.6],"means":[[0],[1]],"stds":[1,1]}"#,
            "sum of weights must be 1, got 0.8999999999999999",
        ),
        (
            r#"{"kind":"mixture","weights":[1.3,-0.3],"means":[[0],[1]],"stds":[1,1]}"#,
            "weights[1] must be positive, got -0.3",
        ),
        (
            r#"{"kind":"mixture","weights":[0.3,0.7],"means":[[0],[1,2]],"stds":[1,1]}"#,
            "means[1] must have 1 entries, got 2",
        ),
        (
            r#"{"kind":"mixture","weights":[0.3,0.7],"means":[[0]],"stds":[1,1]}"#,
            "means must have 2 entries, got 1",
        ),
        (
            r#"{"kind":"mixture","weights":[0.3,0.7],"means":[[0],[1]],"stds":[1]}"#,
            "stds must have 2 entries, got 1",
        ),
        (
            r#"{"kind":"mixture","weights":[0.3,0.7],"means":[[0],[1]],"stds":[1,0]}"#,
            "stds[1] must be positive, got 0",
        ),
        (
            r#"{"kind":"mixture","weights":[0.3,0.7],"means":[[0],[1]]}"#,
            "a mixture target needs either stds or covs",
        ),
        (
            r#"{"kind":"mixture","weights":[],"means":[],"stds":[]}"#,
            "components of a mixture must have 1 entries, got 0",
        ),
    ] {
        let error = serde_json::from_str::<TargetSpec>(text).unwrap().build().unwrap_err().to_string();
        assert_eq!(error, expected);
    }
    let unknown =
        serde_json::from_str::<TargetSpec>(r#"{"kind":"mixture","weight":[1],"means":[[0]]}"#).unwrap_err();
    assert!(unknown.to_string().contains("unknown field `weight`"), "{unknown}");
    assert!(
        serde_json::from_str::<TargetSpec>(r#"{"kind":"gauss"}"#).unwrap_err().to_string().contains("gauss")
    );
    let file: TargetSpec = serde_json::from_str(r#"{"kind":"gaussian","file":"g.safetensors"}"#).unwrap();
    assert_eq!(file.file(), Some("g.safetensors"));
    assert!(file.build().is_err());
}
