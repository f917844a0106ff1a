//! The ideal denoiser of a Gaussian target, with a constant error, along the eigenvectors of the covariance.

use super::transfer::{Affine, Moments, Transfer, transfer};
use crate::targets::Gaussian;
use crate::{Level, Step, Trajectory};

/// Where sampling starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// The true law of x_T.
    Marginal,
    /// N(0, I) (in the scale of the level, [`Level::prior_std`]).
    Prior,
}

/// A Gaussian target seen from its eigenbasis, and the denoiser that a sampler is given: the ideal one plus a constant.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianDenoiser<'a> {
    target: &'a Gaussian,
    mean: Vec<f64>,
    error: Vec<f64>,
}

impl<'a> GaussianDenoiser<'a> {
    /// The ideal denoiser with `perturbation` added to every component of its output.
    pub fn new(target: &'a Gaussian, perturbation: f64) -> Self {
        let basis = target.covariance();
        GaussianDenoiser {
            target,
            mean: basis.to_basis(target.mean().to_vec()),
            error: basis.to_basis(vec![perturbation; target.dim()]),
        }
    }

    /// Number of eigenvectors.
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// D along eigenvector `i` at a level.
    pub fn affine(&self, i: usize, level: &Level) -> Affine {
        let gain = self.target.gain(i, level);
        Affine { gain, offset: self.mean[i] * (1.0 - gain * level.alpha()) + self.error[i] }
    }

    /// The noised law at a level, along each eigenvector; at [`Level::CLEAN`] the target.
    pub fn marginal(&self, level: &Level) -> Vec<Moments> {
        (0..self.dim())
            .map(|i| Moments {
                mean: level.alpha() * self.mean[i],
                variance: self.target.noised_variance(i, level),
            })
            .collect()
    }

    /// The law of the sampler's start.
    pub fn start(&self, start: Start, level: &Level) -> Vec<Moments> {
        match start {
            Start::Marginal => self.marginal(level),
            Start::Prior => vec![Moments { mean: 0.0, variance: level.prior_std().powi(2) }; self.dim()],
        }
    }

    /// How the steps of a plan carry x_T to the samples, along each eigenvector.
    pub fn transfers(&self, plan: &[Step]) -> Vec<Transfer> {
        (0..self.dim()).map(|i| transfer(plan, |level| self.affine(i, level))).collect()
    }
}

/// The law of the samples of a plan along each eigenvector of the target, started at the trajectory's first level.
pub fn sample_law(
    denoiser: &GaussianDenoiser<'_>,
    trajectory: &Trajectory,
    plan: &[Step],
    start: Start,
) -> Vec<Moments> {
    let begin = denoiser.start(start, trajectory.start());
    denoiser.transfers(plan).iter().zip(begin).map(|(transfer, moments)| transfer.apply(moments)).collect()
}
