//! The Gaussian target N(m, C), per eigenvalue l of C:
//!
//! ```text
//! S = alpha^2 l + sigma^2        q_t = N(alpha m, S)        D*(x) = m + (alpha l/S)(x - alpha m)        Var[x_0 | x] = l sigma^2/S
//! ```

use super::conditional::Conditional;
use super::covariance::Covariance;
use crate::noise::NoiseSource;
use crate::{CoreError, Level};
use nalgebra::DMatrix;
use std::f64::consts::TAU;

/// N(mean, covariance).
#[derive(Clone, Debug, PartialEq)]
pub struct Gaussian {
    mean: Vec<f64>,
    covariance: Covariance,
}

/// The draw of a sample's normal coordinates; [`super::Mixture`] picks its component with draw 0.
const COORDINATES: u64 = 1;

impl Gaussian {
    /// The law with this mean and covariance, which agree in dimension.
    pub fn new(mean: Vec<f64>, covariance: Covariance) -> Result<Self, CoreError> {
        if mean.is_empty() || mean.len() != covariance.dim() {
            let (expected, got) = (covariance.dim().max(1), mean.len());
            return Err(CoreError::Dimension { what: "mean".into(), expected, got });
        }
        if let Some(index) = mean.iter().position(|value| !value.is_finite()) {
            return Err(CoreError::Entry { name: "mean", index, expected: "finite", got: mean[index] });
        }
        Ok(Gaussian { mean, covariance })
    }

    /// The law fitted to data: a mean `[d]` and a covariance d x d in row-major order, which may be singular.
    pub fn from_moments(mean: Vec<f64>, covariance: &[f64]) -> Result<Self, CoreError> {
        let d = mean.len();
        if covariance.len() != d * d {
            let what = "covariance of a fitted Gaussian".to_owned();
            return Err(CoreError::Dimension { what, expected: d * d, got: covariance.len() });
        }
        let matrix = DMatrix::from_row_slice(d, d, covariance);
        Self::new(mean, Covariance::estimated("covariance of a fitted Gaussian", &matrix)?)
    }

    /// Number of dimensions.
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// m.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// C in its eigenbasis.
    pub fn covariance(&self) -> &Covariance {
        &self.covariance
    }

    /// Variance S of the noised law along eigenvector `i`.
    pub fn noised_variance(&self, i: usize, level: &Level) -> f64 {
        level.alpha_bar() * self.covariance.eigenvalue(i) + level.sigma() * level.sigma()
    }

    /// The factor alpha l/S by which the denoiser shrinks the deviation along eigenvector `i`.
    pub fn gain(&self, i: usize, level: &Level) -> f64 {
        let variance = self.covariance.eigenvalue(i);
        if variance == 0.0 { 0.0 } else { level.alpha() * variance / self.noised_variance(i, level) }
    }

    /// Var[x_0 | x_t] along eigenvector `i`; it does not depend on x_t.
    pub fn posterior_variance(&self, i: usize, level: &Level) -> f64 {
        // l sigma^2/S = l/(1 + l snr), finite at both ends.
        let variance = self.covariance.eigenvalue(i);
        if variance == 0.0 { 0.0 } else { variance / (1.0 + variance * level.snr()) }
    }

    /// E|x_0 - D*(x_t)|^2, the trace of the posterior covariance.
    pub fn mmse(&self, level: &Level) -> f64 {
        (0..self.dim()).map(|i| self.posterior_variance(i, level)).sum()
    }

    /// Coordinates of x - alpha m in the eigenbasis.
    fn deviation(&self, x: &[f64], level: &Level) -> Vec<f64> {
        debug_assert_eq!(x.len(), self.dim());
        self.covariance.to_basis(x.iter().zip(&self.mean).map(|(x, m)| x - level.alpha() * m).collect())
    }

    /// Log density, denoiser and its variance.
    pub fn at(&self, x: &[f64], level: &Level) -> Conditional {
        let mut coordinates = self.deviation(x, level);
        let mut log_density = 0.0;
        for (i, u) in coordinates.iter_mut().enumerate() {
            let s = self.noised_variance(i, level);
            log_density -= 0.5 * (*u * *u / s + (TAU * s).ln());
            *u *= self.gain(i, level);
        }
        let mut mean = self.covariance.from_basis(coordinates);
        mean.iter_mut().zip(&self.mean).for_each(|(x, m)| *x += m);
        Conditional { log_density, mean, variance: self.mmse(level) }
    }

    /// grad log q_t(x).
    pub fn score(&self, x: &[f64], level: &Level) -> Vec<f64> {
        let mut coordinates = self.deviation(x, level);
        for (i, u) in coordinates.iter_mut().enumerate() {
            *u /= -self.noised_variance(i, level);
        }
        self.covariance.from_basis(coordinates)
    }

    /// Cov[x_0 | x_t].
    pub fn posterior_covariance(&self, level: &Level) -> DMatrix<f64> {
        self.covariance.map(|l| if l == 0.0 { 0.0 } else { l / (1.0 + l * level.snr()) })
    }

    /// The exact sample number `image` of a source.
    pub fn sample(&self, source: &NoiseSource, image: u64) -> Vec<f64> {
        let mut coordinates = source.normal(image, COORDINATES, self.dim());
        for (i, z) in coordinates.iter_mut().enumerate() {
            *z *= self.covariance.eigenvalue(i).sqrt();
        }
        let mut x = self.covariance.from_basis(coordinates);
        x.iter_mut().zip(&self.mean).for_each(|(x, m)| *x += m);
        x
    }

    /// `E|x_0|^2`.
    pub fn second_moment(&self) -> f64 {
        self.mean.iter().map(|m| m * m).sum::<f64>() + self.covariance.trace()
    }
}
