//! The Gaussian mixture: sum_k w_k N(m_k, C_k).
//!
//! ```text
//! r_k(x) = softmax(log w_k + log N(x; alpha m_k, alpha^2 C_k + sigma^2 I))
//! D*(x) = sum r_k D_k(x)         Cov[x_0 | x] = sum r_k (Cov_k + (D_k - D*)(D_k - D*)^T)
//! ```

use super::conditional::{Conditional, add_outer, softmax, squared_distance};
use super::covariance::Covariance;
use super::gaussian::Gaussian;
use crate::noise::NoiseSource;
use crate::{CoreError, Level};
use nalgebra::DMatrix;
use rand_distr::{Distribution, StandardUniform};

/// One Gaussian of a mixture.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// Its probability.
    pub weight: f64,
    /// Its law.
    pub law: Gaussian,
}

/// A weighted sum of Gaussians.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    components: Vec<Component>,
}

/// Weights may miss a sum of 1 by this much, as decimals in a file do.
const SUM_TOLERANCE: f64 = 1e-6;

impl Mixture {
    /// A mixture of components of one dimension, whose weights are positive and sum to 1.
    pub fn new(mut components: Vec<Component>) -> Result<Self, CoreError> {
        let Some(first) = components.first() else {
            return Err(CoreError::Dimension { what: "components of a mixture".into(), expected: 1, got: 0 });
        };
        let dim = first.law.dim();
        for (k, component) in components.iter().enumerate() {
            if component.law.dim() != dim {
                let what = format!("means[{k}]");
                return Err(CoreError::Dimension { what, expected: dim, got: component.law.dim() });
            }
            let weight = component.weight;
            if !(weight > 0.0 && weight.is_finite()) {
                return Err(CoreError::Entry {
                    name: "weights",
                    index: k,
                    expected: "positive",
                    got: weight,
                });
            }
        }
        let sum: f64 = components.iter().map(|component| component.weight).sum();
        CoreError::check("sum of weights", "1", sum, (sum - 1.0).abs() <= SUM_TOLERANCE)?;
        components.iter_mut().for_each(|component| component.weight /= sum);
        Ok(Mixture { components })
    }

    /// The components.
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// Number of dimensions.
    pub fn dim(&self) -> usize {
        self.components[0].law.dim()
    }

    /// r_k(x), and log q_t(x).
    pub fn responsibilities(&self, x: &[f64], level: &Level) -> (Vec<f64>, f64) {
        let mut logits: Vec<f64> =
            self.components.iter().map(|c| c.weight.ln() + c.law.at(x, level).log_density).collect();
        let log_density = softmax(&mut logits);
        (logits, log_density)
    }

    /// Each component's view of a point, their responsibilities and the log density.
    fn parts(&self, x: &[f64], level: &Level) -> (Vec<Conditional>, Vec<f64>, f64) {
        let parts: Vec<Conditional> = self.components.iter().map(|c| c.law.at(x, level)).collect();
        let mut logits: Vec<f64> =
            parts.iter().zip(&self.components).map(|(part, c)| c.weight.ln() + part.log_density).collect();
        let log_density = softmax(&mut logits);
        (parts, logits, log_density)
    }

    /// Log density, denoiser and its variance.
    pub fn at(&self, x: &[f64], level: &Level) -> Conditional {
        let (parts, weights, log_density) = self.parts(x, level);
        let mean = weighted_sum(&weights, parts.iter().map(|part| part.mean.as_slice()), self.dim());
        let variance = parts
            .iter()
            .zip(&weights)
            .map(|(part, r)| r * (part.variance + squared_distance(&part.mean, &mean)))
            .sum();
        Conditional { log_density, mean, variance }
    }

    /// grad log q_t(x).
    pub fn score(&self, x: &[f64], level: &Level) -> Vec<f64> {
        let (weights, _) = self.responsibilities(x, level);
        let scores: Vec<Vec<f64>> = self.components.iter().map(|c| c.law.score(x, level)).collect();
        weighted_sum(&weights, scores.iter().map(Vec::as_slice), self.dim())
    }

    /// Cov[x_0 | x_t = x].
    pub fn posterior_covariance(&self, x: &[f64], level: &Level) -> DMatrix<f64> {
        let (parts, weights, _) = self.parts(x, level);
        let mean = weighted_sum(&weights, parts.iter().map(|part| part.mean.as_slice()), self.dim());
        let within = |k: usize| self.components[k].law.posterior_covariance(level);
        self.summed(&weights, &mean, |k| parts[k].mean.clone(), within)
    }

    /// The exact sample number `image` of a source.
    pub fn sample(&self, source: &NoiseSource, image: u64) -> Vec<f64> {
        self.components[self.sampled_component(source, image)].law.sample(source, image)
    }

    /// The component that sample number `image` comes from.
    fn sampled_component(&self, source: &NoiseSource, image: u64) -> usize {
        let mut left: f64 = StandardUniform.sample(&mut source.rng(image, 0));
        for (k, component) in self.components.iter().enumerate() {
            left -= component.weight;
            if left < 0.0 {
                return k;
            }
        }
        self.components.len() - 1
    }

    /// The mean, `E[x_0]`.
    pub fn mean(&self) -> Vec<f64> {
        let weights: Vec<f64> = self.components.iter().map(|c| c.weight).collect();
        weighted_sum(&weights, self.components.iter().map(|c| c.law.mean()), self.dim())
    }

    /// `E|x_0|^2`.
    pub fn second_moment(&self) -> f64 {
        self.components.iter().map(|c| c.weight * c.law.second_moment()).sum()
    }

    /// The Gaussian with the same mean and covariance.
    pub fn matched_gaussian(&self) -> Result<Gaussian, CoreError> {
        let weights: Vec<f64> = self.components.iter().map(|c| c.weight).collect();
        let mean = self.mean();
        let within = |k: usize| self.components[k].law.covariance().map(|l| l);
        let covariance = self.summed(&weights, &mean, |k| self.components[k].law.mean().to_vec(), within);
        Gaussian::new(mean, Covariance::estimated("covariance of the mixture", &covariance)?)
    }

    /// sum_k w_k (within_k + (m_k - m)(m_k - m)^T).
    fn summed(
        &self,
        weights: &[f64],
        mean: &[f64],
        mean_of: impl Fn(usize) -> Vec<f64>,
        within: impl Fn(usize) -> DMatrix<f64>,
    ) -> DMatrix<f64> {
        let mut sum = DMatrix::zeros(self.dim(), self.dim());
        for (k, &weight) in weights.iter().enumerate() {
            sum += within(k) * weight;
            let offset: Vec<f64> = mean_of(k).iter().zip(mean).map(|(a, b)| a - b).collect();
            add_outer(&mut sum, weight, &offset);
        }
        sum
    }
}

fn weighted_sum<'a>(weights: &[f64], vectors: impl Iterator<Item = &'a [f64]>, dim: usize) -> Vec<f64> {
    let mut sum = vec![0.0; dim];
    for (&weight, vector) in weights.iter().zip(vectors) {
        for (total, value) in sum.iter_mut().zip(vector) {
            *total += weight * value;
        }
    }
    sum
}
