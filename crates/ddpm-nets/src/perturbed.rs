//! A denoiser with a known error.

use crate::{Denoiser, NetsError, Prediction};
use ddpm_core::{Level, PredictionKind};
use tch::Tensor;

/// A denoiser with a constant added to every component of its x_0: an added error of |e|^2 = d offset^2.
pub struct Perturbed<'a> {
    inner: &'a dyn Denoiser,
    offset: f64,
}

impl<'a> Perturbed<'a> {
    /// `inner` with `offset` added to its predicted x_0.
    pub fn new(inner: &'a dyn Denoiser, offset: f64) -> Self {
        Perturbed { inner, offset }
    }
}

impl std::fmt::Debug for Perturbed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Perturbed").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl Denoiser for Perturbed<'_> {
    fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError> {
        let prediction = self.inner.predict(x_t, level)?;
        let value = torch_ext::fence(|| prediction.x0(x_t, level).map(|x0| x0 + self.offset))??;
        Ok(Prediction { kind: PredictionKind::X0, value, variance_output: prediction.variance_output })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ddpm_core::{Schedule, TimeIndex};
    use tch::{Device, Kind};

    /// Predicts that all noise is 0.3.
    struct Constant;
    impl Denoiser for Constant {
        fn predict(&self, x_t: &Tensor, _: &Level) -> Result<Prediction, NetsError> {
            Ok(Prediction { kind: PredictionKind::Epsilon, value: x_t.full_like(0.3), variance_output: None })
        }
    }

    #[test]
    fn its_x0_is_off_by_the_offset_whatever_is_predicted() {
        let level = Schedule::linear(1000).unwrap().level(TimeIndex(400));
        let x = Tensor::arange(6, (Kind::Float, Device::Cpu)).reshape([3, 2]);
        let plain = Constant.predict(&x, &level).unwrap().x0(&x, &level).unwrap();
        let moved = Perturbed::new(&Constant, 0.25).predict(&x, &level).unwrap().x0(&x, &level).unwrap();
        assert!((moved - plain - 0.25).abs().max().double_value(&[]) < 1e-5);
    }
}
