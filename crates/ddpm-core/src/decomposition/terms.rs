//! The error decomposition of a closed-form target: its terms by level and their sums.

use super::step::{ReverseStep, reverse_steps};
use crate::classical::ClassicalTerms;
use crate::{CoreError, Level, Target, Variance};
use serde::{Deserialize, Serialize};

/// A number and its standard error, 0 where it is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Its standard error.
    pub stderr: f64,
}

impl Estimate {
    /// A value without statistical error.
    pub fn exact(value: f64) -> Self {
        Estimate { value, stderr: 0.0 }
    }
}

/// The terms of one visited level: those of the step that leaves it downwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LevelTerms {
    /// The level.
    pub level: Level,
    /// E|x_0 - D*(x_t)|^2.
    pub mmse: f64,
    /// E|x_0 - D(x_t)|^2 of the denoiser in use.
    pub mse: f64,
    /// Discretization, in nats. None at the lowest level, which no step leaves.
    pub discretization: Option<f64>,
    /// Training, in nats.
    pub training: Option<f64>,
    /// 1 - sigma_s^2/sigma_t^2.
    pub ratio: Option<f64>,
}

/// The error decomposition of an ancestral sampler on a closed-form target.
#[derive(Clone, Debug, PartialEq)]
pub struct Decomposition {
    /// Number of dimensions d.
    pub dim: usize,
    /// KL(q(x_T) || N(0, I)), in nats.
    pub init: Estimate,
    /// Sum of the discretization terms, in nats.
    pub discretization: Estimate,
    /// Sum of the training terms, in nats.
    pub training: Estimate,
    /// KL of the whole paths: the sum of the three.
    pub total: Estimate,
    /// Bound on W2 between the data and the law at the lowest visited level.
    pub truncation_w2_bound: f64,
    /// Terms by visited level, the noisiest first.
    pub levels: Vec<LevelTerms>,
    /// The three classical terms.
    pub classical: ClassicalTerms,
    /// For Monte Carlo: the information between the ends by two routes.
    pub routes: Option<RouteComparison>,
}

/// I(x_0; x_1) - I(x_0; x_T) and the discretization, each by both routes, in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RouteComparison {
    /// Information between the ends, from log densities.
    pub information_entropy: Estimate,
    /// Information between the ends, from the integral of mmse.
    pub information_immse: Estimate,
    /// Discretization from log densities.
    pub discretization_entropy: Estimate,
    /// Discretization from the integral of mmse.
    pub discretization_immse: Estimate,
    /// Estimated error of the integral's quadrature.
    pub quadrature_error: f64,
}

impl Decomposition {
    /// c^2/(2v) of each step: the training term by unit of E|D - D*|^2 at the level that it leaves.
    pub fn error_weights(&self, variance: Variance) -> Result<Vec<f64>, CoreError> {
        let visited: Vec<Level> = self.levels.iter().map(|terms| terms.level).collect();
        let mmse: Vec<f64> = self.levels.iter().map(|terms| terms.mmse / self.dim as f64).collect();
        Ok(reverse_steps(&visited, variance, Some(&mmse))?.iter().map(ReverseStep::error_weight).collect())
    }

    /// The same for another denoiser D: `errors` are its E|D - D*|^2 at the visited levels, `stderr` is the standard error of their weighted sum.
    pub fn with_errors(mut self, errors: &[f64], variance: Variance, stderr: f64) -> Result<Self, CoreError> {
        if errors.len() != self.levels.len() {
            let (expected, got) = (self.levels.len(), errors.len());
            return Err(CoreError::Dimension { what: "errors by visited level".into(), expected, got });
        }
        let weights = self.error_weights(variance)?;
        for (k, (terms, error)) in self.levels.iter_mut().zip(errors).enumerate() {
            terms.mse = terms.mmse + error;
            terms.training = weights.get(k).map(|weight| weight * error);
        }
        let training = self.levels.iter().filter_map(|terms| terms.training).sum();
        self.training = Estimate { value: training, stderr };
        self.total = Estimate {
            value: self.init.value + self.discretization.value + training,
            stderr: self.init.stderr + self.discretization.stderr + stderr,
        };
        self.classical.training_mse_sum = self.levels.iter().map(|terms| terms.mse).sum();
        Ok(self)
    }
}

/// Exact or estimated statistics of the visited levels, the noisiest first.
pub(super) struct Statistics {
    pub(super) init: Estimate,
    /// mmse by level.
    pub(super) mmse: Vec<f64>,
    /// Discretization by step, and their sum.
    pub(super) discretization: Vec<f64>,
    pub(super) discretization_sum: Estimate,
    pub(super) steps: Vec<ReverseStep>,
    pub(super) routes: Option<RouteComparison>,
}

/// W2(law(x_0), law(x_1)) <= sqrt((1 - alpha)^2 E|x_0|^2 + sigma^2 d), by coupling x_1 with its own x_0.
pub fn truncation_bound(target: &Target, lowest: &Level) -> f64 {
    truncation_bound_of_moment(target.second_moment(), target.dim(), lowest)
}

/// The same from `E|x_0|^2` over `dim` components.
pub fn truncation_bound_of_moment(second_moment: f64, dim: usize, lowest: &Level) -> f64 {
    let shrink = 1.0 - lowest.alpha();
    (shrink * shrink * second_moment + lowest.sigma().powi(2) * dim as f64).sqrt()
}
