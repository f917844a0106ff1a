//! The ideal denoiser of a Gaussian N(m, C): one linear map in the eigenbasis of C.

use super::ideal_denoiser::{IdealDenoiser, TargetPosterior, check, squared_norm};
use crate::NetsError;
use ddpm_core::Level;
use ddpm_core::targets::{Covariance, Gaussian};
use std::f64::consts::TAU;
use tch::{Device, Kind, Tensor};

/// The ideal denoiser of a Gaussian. Evaluated in f64; differentiable.
#[derive(Debug)]
pub struct GaussianTarget {
    law: Gaussian,
    shape: [i64; 1],
    /// m `[d]`.
    mean: Tensor,
    /// Eigenvectors as rows [d, d]; absent where C is diagonal.
    basis: Option<Tensor>,
}

impl GaussianTarget {
    /// For rows [n, d] on a device.
    pub fn new(law: &Gaussian, device: Device) -> Result<Self, NetsError> {
        let d = law.dim() as i64;
        Ok(torch_ext::fence(|| GaussianTarget {
            law: law.clone(),
            shape: [d],
            mean: Tensor::from_slice(law.mean()).to_device(device),
            basis: match law.covariance() {
                // nalgebra stores columns one after another: they become rows.
                Covariance::Full { vectors, .. } => {
                    Some(Tensor::from_slice(vectors.as_slice()).reshape([d, d]).to_device(device))
                }
                _ => None,
            },
        })?)
    }

    /// A quantity of each eigenvector, as a row `[d]`.
    fn along(&self, of: impl Fn(usize) -> f64) -> Tensor {
        let values: Vec<f64> = (0..self.law.dim()).map(of).collect();
        Tensor::from_slice(&values).to_device(self.mean.device())
    }

    /// The posterior of rows [n, d] f64.
    pub(super) fn rows(&self, x: &Tensor, level: &Level) -> TargetPosterior {
        let deviation = x - &self.mean * level.alpha();
        let coordinates =
            self.basis.as_ref().map_or(deviation.shallow_clone(), |q| deviation.matmul(&q.tr()));
        let noised = self.along(|i| self.law.noised_variance(i, level));
        let shrunk = &coordinates * self.along(|i| self.law.gain(i, level));
        let log_normalizer: f64 =
            (0..self.law.dim()).map(|i| -0.5 * (TAU * self.law.noised_variance(i, level)).ln()).sum();
        TargetPosterior {
            mean: self.basis.as_ref().map_or(shrunk.shallow_clone(), |q| shrunk.matmul(q)) + &self.mean,
            variance: Tensor::full([x.size()[0]], self.law.mmse(level), (Kind::Double, x.device())),
            log_density: squared_norm(&(coordinates / noised.sqrt())) * -0.5 + log_normalizer,
        }
    }
}

impl IdealDenoiser for GaussianTarget {
    fn shape(&self) -> &[i64] {
        &self.shape
    }

    fn posterior(&self, x_t: &Tensor, level: &Level) -> Result<TargetPosterior, NetsError> {
        check(&self.shape, x_t, level)?;
        Ok(torch_ext::fence(|| {
            let posterior = self.rows(&x_t.to_kind(Kind::Double), level);
            TargetPosterior { mean: posterior.mean.to_kind(x_t.kind()), ..posterior }
        })?)
    }
}
