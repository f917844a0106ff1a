//! The result of a decomposition.

use super::monte_carlo::RouteComparison;
use crate::classical::ClassicalTerms;
use crate::{Level, Target};
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

/// W2(law(x_0), law(x_1)) <= sqrt((1 - alpha)^2 E|x_0|^2 + sigma^2 d), by coupling x_1 with its own x_0.
pub fn truncation_bound(target: &Target, lowest: &Level) -> f64 {
    truncation_bound_of_moment(target.second_moment(), target.dim(), lowest)
}

/// The same from `E|x_0|^2` over `dim` components.
pub fn truncation_bound_of_moment(second_moment: f64, dim: usize, lowest: &Level) -> f64 {
    let shrink = 1.0 - lowest.alpha();
    (shrink * shrink * second_moment + lowest.sigma().powi(2) * dim as f64).sqrt()
}
