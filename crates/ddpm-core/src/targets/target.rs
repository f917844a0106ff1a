//! A law of data that is one of the closed-form kinds.

use super::conditional::Conditional;
use super::empirical::Empirical;
use super::gaussian::Gaussian;
use super::mixture::Mixture;
use crate::noise::NoiseSource;
use crate::{CoreError, Level};
use nalgebra::DMatrix;

/// A law of data with a closed-form denoiser. Vectors have [`Target::dim`] entries.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// N(m, C).
    Gaussian(Gaussian),
    /// A weighted sum of Gaussians.
    Mixture(Mixture),
    /// A data set.
    Empirical(Empirical),
}

impl Target {
    /// Number of components d of x.
    pub fn dim(&self) -> usize {
        match self {
            Target::Gaussian(law) => law.dim(),
            Target::Mixture(law) => law.dim(),
            Target::Empirical(law) => law.dim(),
        }
    }

    /// Log density, denoiser and its variance at one point of a level.
    pub fn at(&self, x: &[f64], level: &Level) -> Conditional {
        match self {
            Target::Gaussian(law) => law.at(x, level),
            Target::Mixture(law) => law.at(x, level),
            Target::Empirical(law) => law.at(x, level),
        }
    }

    /// log q_t(x), in nats.
    pub fn log_density(&self, x: &[f64], level: &Level) -> f64 {
        self.at(x, level).log_density
    }

    /// D*(x) = E[x_0 | x_t = x].
    pub fn denoise(&self, x: &[f64], level: &Level) -> Vec<f64> {
        self.at(x, level).mean
    }

    /// grad log q_t(x). The level has noise, unless the law itself has a density.
    pub fn score(&self, x: &[f64], level: &Level) -> Vec<f64> {
        match self {
            Target::Gaussian(law) => law.score(x, level),
            Target::Mixture(law) => law.score(x, level),
            Target::Empirical(law) => law.score(x, level),
        }
    }

    /// Cov[x_0 | x_t = x], a d x d matrix.
    pub fn posterior_covariance(&self, x: &[f64], level: &Level) -> DMatrix<f64> {
        match self {
            Target::Gaussian(law) => law.posterior_covariance(level),
            Target::Mixture(law) => law.posterior_covariance(x, level),
            Target::Empirical(law) => law.posterior_covariance(x, level),
        }
    }

    /// The exact sample number `image` of a source.
    pub fn sample(&self, source: &NoiseSource, image: u64) -> Vec<f64> {
        match self {
            Target::Gaussian(law) => law.sample(source, image),
            Target::Mixture(law) => law.sample(source, image),
            Target::Empirical(law) => law.sample(source, image),
        }
    }

    /// The mean, `E[x_0]`.
    pub fn mean(&self) -> Vec<f64> {
        match self {
            Target::Gaussian(law) => law.mean().to_vec(),
            Target::Mixture(law) => law.mean(),
            Target::Empirical(law) => law.mean(),
        }
    }

    /// The Gaussian with the same mean and covariance.
    pub fn matched_gaussian(&self) -> Result<Gaussian, CoreError> {
        match self {
            Target::Gaussian(law) => Ok(law.clone()),
            Target::Mixture(law) => law.matched_gaussian(),
            Target::Empirical(law) => law.matched_gaussian(),
        }
    }

    /// `E|x_0|^2`.
    pub fn second_moment(&self) -> f64 {
        match self {
            Target::Gaussian(law) => law.second_moment(),
            Target::Mixture(law) => law.second_moment(),
            Target::Empirical(law) => law.second_moment(),
        }
    }
}
