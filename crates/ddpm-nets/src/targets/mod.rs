//! Ideal denoisers on tensors: laws of data for which E[x_0 | x_t] is known.
//!
//! With one of them in place of a network, a sampler or an estimator is measured without training error. The laws themselves, in f64 and one
//! point at a time, are in `ddpm_core`; the coefficients here are theirs.

mod empirical_target;
mod gaussian_target;
mod ideal_denoiser;
mod mixture_target;
#[cfg(test)]
mod reference;

pub use empirical_target::EmpiricalTarget;
pub use gaussian_target::GaussianTarget;
pub use ideal_denoiser::{IdealDenoiser, TargetPosterior};
pub use mixture_target::MixtureTarget;

use crate::NetsError;
use ddpm_core::Target;
use tch::{Device, Tensor};

/// The ideal denoiser of a law, for rows [n, d] on a device.
pub fn ideal_denoiser(target: &Target, device: Device) -> Result<Box<dyn IdealDenoiser>, NetsError> {
    Ok(match target {
        Target::Gaussian(law) => Box::new(GaussianTarget::new(law, device)?),
        Target::Mixture(law) => Box::new(MixtureTarget::new(law, device)?),
        Target::Empirical(law) => {
            let points: Vec<f64> = law.points().flatten().copied().collect();
            let rows = torch_ext::fence(|| {
                Tensor::from_slice(&points).reshape([law.len() as i64, law.dim() as i64]).to_device(device)
            })?;
            Box::new(EmpiricalTarget::new(&rows, false)?)
        }
    })
}
