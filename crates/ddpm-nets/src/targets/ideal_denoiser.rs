//! The interface of denoisers without error.

use crate::{Denoiser, NetsError, Prediction};
use ddpm_core::{Level, PredictionKind};
use tch::Tensor;

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

impl<T: IdealDenoiser> Denoiser for T {
    fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError> {
        let value = self.posterior(x_t, level)?.mean;
        Ok(Prediction { kind: PredictionKind::X0, value, variance_output: None })
    }
}

/// Refuses data without noise and rows of another shape.
pub(super) fn check(shape: &[i64], x_t: &Tensor, level: &Level) -> Result<(), NetsError> {
    if level.is_clean() {
        return Err(NetsError::input("level", "a noised batch", "data without noise"));
    }
    let size = x_t.size();
    if size.len() != shape.len() + 1 || size[1..] != *shape {
        let expected = format!("[n, ...] with rows of shape {shape:?}");
        return Err(NetsError::input("x_t", expected, format_args!("{size:?}")));
    }
    Ok(())
}

/// Sum over the last dimension.
pub(super) fn sum_last(x: &Tensor) -> Tensor {
    x.sum_dim_intlist([-1i64].as_slice(), false, x.kind())
}

/// Sum of squares over the last dimension.
pub(super) fn squared_norm(x: &Tensor) -> Tensor {
    sum_last(&x.square())
}
