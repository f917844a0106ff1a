//! The three classical error terms of diffusion samplers, as the literature states them: each an upper bound up to a constant.
//!
//! All three live in the variance-exploding view x_t / alpha_t = x_0 + sigma_t eps, sigma_t^2 = 1 / snr_t, whatever scale the process
//! itself has (Chen et al. 2023; De Bortoli 2022, theorem 1, for their roles):
//!
//! ```text
//! initialization   W2( law of x_T , N(0, (sigma_T^2 + 1) I) )
//!                  Gaussian data N(m, C), eigenvalues l_i of C:
//!                  sqrt( |m|^2 + sum_i (sqrt(l_i + sigma_T^2) - sqrt(1 + sigma_T^2))^2 )
//! training         sum over the visited levels of E|D_theta(x_t) - x_0|^2
//! discretization   1 - sigma_s^2 / sigma_t^2 for neighbouring visited levels s < t; its maximum
//! ```
//!
//! A sampler on a variance-preserving process starts at N(0, I): divided by alpha_T that is exactly N(0, (sigma_T^2 + 1) I), so the
//! distances of the two views differ by the factor alpha_T and nothing else.

use crate::{CoreError, Level, Posterior};
use serde::{Deserialize, Serialize};

/// How a distance between the noised data and the sampler's start was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitializationKind {
    /// The distance of the laws themselves.
    Exact,
    /// The distance of the Gaussians that share their means and covariances: exact for Gaussian data, and never above the exact distance
    /// (Gelbrich 1990). From moments estimated on data it is a plug-in estimate.
    GaussianMoments,
    /// The cost of an exact map from one law to the other, estimated from draws: an upper bound, of which the distance of the matched Gaussians
    /// is the lower one.
    Coupling,
}

/// The initialization term: W2 in variance-exploding units, those of x_0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct InitializationDistance {
    /// W2(law of x_T / alpha_T, N(0, (sigma_T^2 + 1) I)).
    pub w2: f64,
    /// How it was found.
    pub kind: InitializationKind,
    /// For `coupling`: `[low, high]` that contains W2, `high` with 95 % confidence.
    pub interval: Option<[f64; 2]>,
}

impl InitializationDistance {
    /// The distance of Gaussians from the data's mean, its d entries, the d eigenvalues of their covariance, and the level the sampler starts
    /// at.
    pub fn of_moments(mean: &[f64], eigenvalues: &[f64], start: &Level) -> Result<Self, CoreError> {
        if eigenvalues.len() != mean.len() {
            return Err(CoreError::Dimension {
                what: "eigenvalues of the covariance".into(),
                expected: mean.len(),
                got: eigenvalues.len(),
            });
        }
        for (index, &value) in mean.iter().enumerate() {
            entry("mean", index, "finite", value, value.is_finite())?;
        }
        for (index, &value) in eigenvalues.iter().enumerate() {
            entry("eigenvalues", index, "finite and not negative", value, value.is_finite() && value >= 0.0)?;
        }
        let noise = start.relative_sigma().powi(2);
        let prior_std = (1.0 + noise).sqrt();
        // sqrt(l + s) - sqrt(1 + s) cancels where the noise s outweighs both; its conjugate form keeps every digit.
        let difference = |eigenvalue: f64| (eigenvalue - 1.0) / ((eigenvalue + noise).sqrt() + prior_std);
        let squared = mean.iter().map(|m| m * m).sum::<f64>()
            + eigenvalues.iter().map(|&eigenvalue| difference(eigenvalue).powi(2)).sum::<f64>();
        Ok(InitializationDistance {
            w2: squared.sqrt(),
            kind: InitializationKind::GaussianMoments,
            interval: None,
        })
    }
}

/// The discretization terms 1 - sigma_s^2/sigma_t^2 of neighbouring visited levels.
///
/// `visited` runs as a sampler does, the noisiest first, without [`Level::CLEAN`]: entry k belongs to the step from `visited[k]` to
/// `visited[k + 1]`, so there is one entry fewer than levels. The step from the least noisy level to data would always count 1.
pub fn discretization_ratios(visited: &[Level]) -> Vec<f64> {
    visited.windows(2).map(|pair| Posterior::between(&pair[0], &pair[1]).snr_fraction_lost()).collect()
}

/// The largest of [`discretization_ratios`]; 0 where a single level is visited.
pub fn discretization_max(visited: &[Level]) -> f64 {
    discretization_ratios(visited).into_iter().fold(0.0, f64::max)
}

/// The three terms of one model, sampler grid and data law.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassicalTerms {
    /// Initialization: W2 in variance-exploding units.
    pub w2_init: f64,
    /// How it was found.
    pub w2_init_kind: InitializationKind,
    /// For `coupling`: `[low, high]` that contains the distance, `high` with 95 % confidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub w2_init_interval: Option<[f64; 2]>,
    /// Training: sum over the visited levels of E|D_theta(x_t) - x_0|^2, squared norms over all components.
    pub training_mse_sum: f64,
    /// The part of the training term that no denoiser can remove: the same sum for the ideal denoiser, or for the floor in its place.
    /// Absent where none is known.
    pub mmse_sum: Option<f64>,
    /// Discretization: the largest 1 - sigma_s^2/sigma_t^2.
    pub discretization_max: f64,
}

impl ClassicalTerms {
    /// Collects the terms; `mse` and `mmse` have one entry a visited level.
    pub fn new(
        initialization: InitializationDistance,
        visited: &[Level],
        mse: &[f64],
        mmse: Option<&[f64]>,
    ) -> Result<Self, CoreError> {
        let sum = |what: &str, curve: &[f64]| {
            if curve.len() == visited.len() {
                return Ok(curve.iter().sum());
            }
            let (expected, got) = (visited.len(), curve.len());
            Err(CoreError::Dimension { what: format!("{what} by visited level"), expected, got })
        };
        Ok(ClassicalTerms {
            w2_init: initialization.w2,
            w2_init_kind: initialization.kind,
            w2_init_interval: initialization.interval,
            training_mse_sum: sum("mse", mse)?,
            mmse_sum: mmse.map(|curve| sum("mmse", curve)).transpose()?,
            discretization_max: discretization_max(visited),
        })
    }
}

fn entry(
    name: &'static str,
    index: usize,
    expected: &'static str,
    got: f64,
    ok: bool,
) -> Result<(), CoreError> {
    if ok { Ok(()) } else { Err(CoreError::Entry { name, index, expected, got }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Grid;
    use crate::{Schedule, Time};
    use proptest::prelude::*;

    fn visited(steps: usize) -> Vec<Level> {
        let schedule = Schedule::linear(1000).unwrap();
        schedule.visited(&Grid::Trailing.timesteps(1000, steps).unwrap()).unwrap()
    }

    /// The two-component mixture on which the decomposition's reference values are stated: weights .3/.7, means -1.5/1, stds .25/.4.
    fn mixture_moments() -> (f64, f64) {
        let (weights, means, stds) = ([0.3, 0.7], [-1.5, 1.0], [0.25f64, 0.4f64]);
        let mean: f64 = (0..2).map(|k| weights[k] * means[k]).sum();
        let second: f64 = (0..2).map(|k| weights[k] * (stds[k].powi(2) + means[k] * means[k])).sum();
        (mean, second - mean * mean)
    }

    #[test]
    fn reference_maximum_of_the_linear_schedule() {
        // The largest ratio belongs to the step from t = 2 to t = 1, and depends on the two smallest betas alone:
        // sigma^2 = b/(1-b) with b = 1e-4 at t = 1 and 1 - (1-b)(1-b2) at t = 2.
        let (b1, b2) = (1e-4, 1e-4 + 0.0199 / 999.0);
        let ab2: f64 = (1.0 - b1) * (1.0 - b2);
        let direct = 1.0 - (b1 / (1.0 - b1)) / ((1.0 - ab2) / ab2);
        let maximum = discretization_max(&visited(1000));
        assert!((maximum / direct - 1.0).abs() < 1e-9, "{maximum} {direct}");
        assert!((maximum - 0.545319).abs() < 5e-7, "{maximum}");
        let ratios = discretization_ratios(&visited(1000));
        assert_eq!((ratios.len(), ratios[998]), (999, maximum));
    }

    #[test]
    fn skipping_levels_multiplies_what_is_kept() {
        let (fine, coarse) = (discretization_ratios(&visited(1000)), discretization_ratios(&visited(100)));
        assert_eq!(coarse.len(), 99);
        for (k, ratio) in coarse.iter().enumerate() {
            let kept: f64 = fine[10 * k..10 * k + 10].iter().map(|r| 1.0 - r).product();
            assert!((1.0 - ratio - kept).abs() < 1e-13);
        }
        assert_eq!(discretization_max(&visited(1)), 0.0);
    }

    #[test]
    fn initialization_of_the_reference_mixture_is_its_mean() {
        let (mean, variance) = mixture_moments();
        let start = visited(1000)[0];
        let distance = InitializationDistance::of_moments(&[mean], &[variance], &start).unwrap();
        // At sigma_T = 157 the spread hardly counts: (l - 1)/(2 sigma_T) beside a mean of 0.25.
        assert!((distance.w2 - 0.25).abs() < 1e-4 && distance.w2 > 0.25, "{distance:?}");
        let sigma = start.relative_sigma();
        let expected = 0.25f64.hypot((variance - 1.0) / (2.0 * sigma));
        assert!((distance.w2 - expected).abs() < 1e-9);
        assert_eq!(distance.kind, InitializationKind::GaussianMoments);
    }

    proptest! {
        /// The variance-preserving distance W2(N(alpha m, alpha^2 l + sigma^2), N(0, 1)), divided by alpha.
        #[test]
        fn the_view_changes_the_unit_alone(log_snr in -6.0..6.0f64, m in -2.0..2.0f64, l in 0.0..4.0f64) {
            let level = Level::variance_preserving(log_snr, Time::Clean);
            let std = (level.alpha_bar() * l + level.sigma().powi(2)).sqrt();
            let preserving = (level.alpha() * m).hypot(std - 1.0);
            for level in [level, Level::variance_exploding(log_snr, Time::Clean)] {
                let w2 = InitializationDistance::of_moments(&[m], &[l], &level).unwrap().w2;
                let alpha = (1.0 / (1.0 + (-log_snr).exp())).sqrt();
                prop_assert!((w2 - preserving / alpha).abs() < 1e-11 / alpha, "{w2} {}", preserving / alpha);
            }
        }
    }

    #[test]
    fn digits_are_kept_at_high_noise() {
        // (l - 1)/(2 sigma) to first order; the difference of roots computed plainly would be rounding noise at sigma = 1e9.
        let start = Level::variance_exploding(-2.0 * 1e9f64.ln(), Time::Clean);
        let w2 = InitializationDistance::of_moments(&[0.0], &[1.5], &start).unwrap().w2;
        assert!((w2 / (0.5 / 2e9) - 1.0).abs() < 1e-9, "{w2}");
        // Without any signal left the spread is right and the mean stays: the two laws differ by a shift in x_0's units.
        let start = Level::variance_preserving(f64::NEG_INFINITY, Time::Clean);
        assert_eq!(InitializationDistance::of_moments(&[0.3], &[1.5], &start).unwrap().w2, 0.3);
    }

    #[test]
    fn terms_are_collected_and_lengths_checked() {
        let (levels, distance) =
            (visited(3), InitializationDistance { w2: 0.2, kind: InitializationKind::Exact, interval: None });
        let terms =
            ClassicalTerms::new(distance, &levels, &[3.0, 2.0, 1.0], Some(&[1.0, 0.5, 0.25])).unwrap();
        assert_eq!((terms.training_mse_sum, terms.mmse_sum), (6.0, Some(1.75)));
        assert_eq!(terms.discretization_max, discretization_max(&levels));
        let json = serde_json::to_value(terms).unwrap();
        assert_eq!(json["w2_init_kind"], "exact");
        let error = ClassicalTerms::new(distance, &levels, &[1.0], None).unwrap_err().to_string();
        assert_eq!(error, "mse by visited level must have 3 entries, got 1");
        let start = levels[0];
        assert!(InitializationDistance::of_moments(&[0.0], &[], &start).is_err());
        assert!(InitializationDistance::of_moments(&[f64::NAN], &[1.0], &start).is_err());
        assert!(InitializationDistance::of_moments(&[0.0], &[-1e-3], &start).is_err());
    }
}
