//! Ideal denoisers on tensors: laws of data for which E[x_0 | x_t] is known.
//!
//! They stand where a network would, so that a sampler or an estimator can be judged without training error. The laws themselves, in f64 and
//! one point at a time, are `ddpm_core::target`; what is here asks them for every coefficient and does the same for batches.

mod empirical;
mod gaussian;
mod mixture;

pub use empirical::EmpiricalTarget;
pub use gaussian::GaussianTarget;
pub use mixture::MixtureTarget;

use crate::{Denoiser, NetsError};
use ddpm_core::Level;
use ddpm_core::target::Target;
use tch::{Device, Tensor};

/// The law of x_0 given x_t, and the density of x_t.
#[derive(Debug)]
pub struct TargetPosterior {
    /// E[x_0 | x_t], of x_t's shape and kind.
    pub mean: Tensor,
    /// E[ |x_0 - mean|^2 | x_t ] summed over the components, `[n]` f64: its average over x_t is the mmse.
    pub variance: Tensor,
    /// log q_t(x_t) in nats, `[n]` f64.
    pub log_density: Tensor,
}

/// A denoiser without error, which also knows the law that it denoises.
pub trait IdealDenoiser: Denoiser + Send {
    /// Shape of one datum.
    fn shape(&self) -> &[i64];

    /// The law of x_0 given each row of `x_t` [n, shape...], noised to `level`.
    fn posterior(&self, x_t: &Tensor, level: &Level) -> Result<TargetPosterior, NetsError>;
}

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

/// Refuses data without noise and rows of another shape.
fn check(shape: &[i64], x_t: &Tensor, level: &Level) -> Result<(), NetsError> {
    if level.is_clean() {
        let (expected, got) = ("a noised batch".to_string(), "data without noise".to_string());
        return Err(NetsError::Input { what: "level", expected, got });
    }
    let size = x_t.size();
    if size.len() != shape.len() + 1 || size[1..] != *shape {
        let expected = format!("[n, ...] with rows of shape {shape:?}");
        return Err(NetsError::Input { what: "x_t", expected, got: format!("{size:?}") });
    }
    Ok(())
}

/// Sum over the last dimension.
fn sum_last(x: &Tensor) -> Tensor {
    x.sum_dim_intlist([-1i64].as_slice(), false, x.kind())
}

/// Sum of squares over the last dimension.
fn squared_norm(x: &Tensor) -> Tensor {
    sum_last(&x.square())
}

#[cfg(test)]
mod reference {
    //! The laws of `ddpm_core::target`, point by point.

    use super::*;
    use tch::Kind;

    /// Mean [n, d], variance `[n]` and log density `[n]` of rows `x_t` [n, ...], all f64.
    pub(super) fn posterior(target: &Target, x_t: &Tensor, level: &Level) -> TargetPosterior {
        let rows = x_t.to_kind(Kind::Double).reshape([x_t.size()[0], -1]);
        let points: Vec<Vec<f64>> = Vec::try_from(rows.shallow_clone()).unwrap();
        let parts: Vec<_> = points.iter().map(|x| target.at(x, level)).collect();
        let of = |f: fn(&ddpm_core::target::Conditional) -> f64| {
            Tensor::from_slice(&parts.iter().map(f).collect::<Vec<_>>())
        };
        let means: Vec<f64> = parts.iter().flat_map(|part| part.mean.iter().copied()).collect();
        TargetPosterior {
            mean: Tensor::from_slice(&means).reshape(rows.size()),
            variance: of(|part| part.variance),
            log_density: of(|part| part.log_density),
        }
    }

    pub(super) fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
        let flat = |t: &Tensor| t.to_kind(Kind::Double).reshape([-1]);
        (flat(a) - flat(b)).abs().max().double_value(&[])
    }

    /// Panics where the posteriors differ by more than `bound` in the mean or, relative to 1 + its size, in another quantity.
    pub(super) fn assert_close(
        got: &TargetPosterior,
        expected: &TargetPosterior,
        bounds: [f64; 3],
        what: &str,
    ) {
        let relative =
            |a: &Tensor, b: &Tensor| largest_difference(&(a / (b.abs() + 1.0)), &(b / (b.abs() + 1.0)));
        let differences = [
            largest_difference(&got.mean, &expected.mean),
            relative(&got.variance, &expected.variance),
            relative(&got.log_density, &expected.log_density),
        ];
        for (name, (difference, bound)) in
            ["mean", "variance", "log density"].iter().zip(differences.iter().zip(bounds))
        {
            assert!(*difference <= bound, "{what}: {name} differs by {difference:e}, allowed {bound:e}");
        }
    }
}
