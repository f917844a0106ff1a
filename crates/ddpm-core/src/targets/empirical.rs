//! A data set as a law: n points of weight 1/n.
//!
//! D*(x) = sum_i softmax_i(-|x - alpha x_i|^2/(2 sigma^2)) x_i: the empirical (memorizing) denoiser. This is the reference
//! in f64; the blocked version on tensors is for data sets of many thousands of images.

use super::conditional::{Conditional, add_outer, softmax, squared_distance};
use super::gaussian::Gaussian;
use crate::noise::NoiseSource;
use crate::{CoreError, Level};
use nalgebra::DMatrix;
use rand_distr::{Distribution, StandardUniform};
use std::f64::consts::TAU;

/// The empirical measure of points in d dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Empirical {
    dim: usize,
    points: Vec<f64>,
}

impl Empirical {
    /// From n points of `dim` entries, one after another.
    pub fn new(dim: usize, points: Vec<f64>) -> Result<Self, CoreError> {
        if dim == 0 || points.is_empty() || !points.len().is_multiple_of(dim) {
            let expected = dim * points.len().div_ceil(dim.max(1)).max(1);
            return Err(CoreError::Dimension { what: "points".into(), expected, got: points.len() });
        }
        if let Some(index) = points.iter().position(|value| !value.is_finite()) {
            return Err(CoreError::Entry { name: "points", index, expected: "finite", got: points[index] });
        }
        Ok(Empirical { dim, points })
    }

    /// Number of dimensions.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The points.
    pub fn points(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.points.chunks_exact(self.dim)
    }

    /// Number of points n.
    pub fn len(&self) -> usize {
        self.points.len() / self.dim
    }

    /// Whether there are no points; never so for a value that [`Empirical::new`] made.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Probability of each point given x_t = x, and log q_t(x).
    fn weights(&self, x: &[f64], level: &Level) -> (Vec<f64>, f64) {
        debug_assert_eq!(x.len(), self.dim);
        let scaled = |point: &[f64]| -> f64 {
            x.iter().zip(point).map(|(x, p)| (x - level.alpha() * p).powi(2)).sum()
        };
        let distances: Vec<f64> = self.points().map(scaled).collect();
        let nearest = distances.iter().copied().fold(f64::INFINITY, f64::min);
        let variance = level.sigma() * level.sigma();
        // Distances are taken from the nearest point first: without noise 0/0 would otherwise meet the weight that matters.
        let mut logits: Vec<f64> = distances
            .iter()
            .map(|d| if *d == nearest { 0.0 } else { (nearest - d) / (2.0 * variance) })
            .collect();
        let normalizer = 0.5 * self.dim as f64 * (TAU * variance).ln() + (self.len() as f64).ln();
        let offset = if nearest == 0.0 { 0.0 } else { -nearest / (2.0 * variance) };
        let log_density = softmax(&mut logits) + offset - normalizer;
        (logits, log_density)
    }

    /// Log density, denoiser and its variance. At [`Level::CLEAN`] the denoiser is the nearest point.
    pub fn at(&self, x: &[f64], level: &Level) -> Conditional {
        let (weights, log_density) = self.weights(x, level);
        let mean = self.average(&weights);
        let variance = self.points().zip(&weights).map(|(point, w)| w * squared_distance(point, &mean)).sum();
        Conditional { log_density, mean, variance }
    }

    /// grad log q_t(x) = (alpha D*(x) - x)/sigma^2.
    pub fn score(&self, x: &[f64], level: &Level) -> Vec<f64> {
        let variance = level.sigma() * level.sigma();
        let mean = self.at(x, level).mean;
        x.iter().zip(mean).map(|(x, m)| (level.alpha() * m - x) / variance).collect()
    }

    /// Cov[x_0 | x_t = x].
    pub fn posterior_covariance(&self, x: &[f64], level: &Level) -> DMatrix<f64> {
        let (weights, _) = self.weights(x, level);
        self.weighted_covariance(&weights)
    }

    /// The exact sample number `image` of a source: one of the points.
    pub fn sample(&self, source: &NoiseSource, image: u64) -> Vec<f64> {
        let u: f64 = StandardUniform.sample(&mut source.rng(image, 0));
        let index = ((u * self.len() as f64) as usize).min(self.len() - 1);
        self.points[index * self.dim..(index + 1) * self.dim].to_vec()
    }

    /// The mean, `E[x_0]`.
    pub fn mean(&self) -> Vec<f64> {
        self.average(&vec![1.0 / self.len() as f64; self.len()])
    }

    /// `E|x_0|^2`.
    pub fn second_moment(&self) -> f64 {
        self.points.iter().map(|value| value * value).sum::<f64>() / self.len() as f64
    }

    /// The Gaussian with the same mean and covariance (1/n, not 1/(n-1): the law itself, not an estimate of another).
    pub fn matched_gaussian(&self) -> Result<Gaussian, CoreError> {
        let covariance = self.weighted_covariance(&vec![1.0 / self.len() as f64; self.len()]);
        Gaussian::from_moments(self.mean(), covariance.as_slice())
    }

    fn average(&self, weights: &[f64]) -> Vec<f64> {
        let mut mean = vec![0.0; self.dim];
        for (point, &weight) in self.points().zip(weights) {
            if weight > 0.0 {
                mean.iter_mut().zip(point).for_each(|(m, p)| *m += weight * p);
            }
        }
        mean
    }

    fn weighted_covariance(&self, weights: &[f64]) -> DMatrix<f64> {
        let mean = self.average(weights);
        let mut sum = DMatrix::zeros(self.dim, self.dim);
        for (point, &weight) in self.points().zip(weights) {
            let offset: Vec<f64> = point.iter().zip(&mean).map(|(p, m)| p - m).collect();
            add_outer(&mut sum, weight, &offset);
        }
        sum
    }
}
