//! A denoiser whose predicted eps is divided by a constant: the remedy for exposure bias of Ning et al. (2024, arXiv 2308.15321).

use crate::{Denoiser, NetsError, Prediction};
use ddpm_core::{Level, PredictionKind};
use tch::Tensor;

/// Another denoiser with eps/scale in the predicted x_0, before any thresholding: x_0 = (x_t - sigma eps/scale)/alpha.
///
/// The published scale is above 1: 1.017 for CIFAR-10 in 100 steps. On an exact denoiser it is a training error,
/// E|D - D*|^2 = (1 - 1/scale)^2 (sigma/alpha)^2 (d - snr mmse).
pub struct ScaledEpsilon<'a> {
    inner: &'a dyn Denoiser,
    scale: f64,
}

impl<'a> ScaledEpsilon<'a> {
    /// A denoiser with its eps divided by `scale`, which must be positive.
    pub fn new(inner: &'a dyn Denoiser, scale: f64) -> Result<Self, NetsError> {
        if !(scale > 0.0 && scale.is_finite()) {
            return Err(NetsError::input("epsilon scale", "a positive number", scale));
        }
        Ok(ScaledEpsilon { inner, scale })
    }
}

impl Denoiser for ScaledEpsilon<'_> {
    fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError> {
        let prediction = self.inner.predict(x_t, level)?;
        let x0 = prediction.x0(x_t, level)?;
        let alpha = level.alpha();
        if alpha <= 0.0 {
            return Err(NetsError::input("alpha where eps is scaled", "some signal (alpha above 0)", alpha));
        }
        // sigma eps = x_t - alpha x_0.
        let of_x_t = (1.0 - 1.0 / self.scale) / alpha;
        let value = torch_ext::fence(|| x_t * of_x_t + x0 / self.scale)?;
        Ok(Prediction { kind: PredictionKind::X0, value, variance_output: prediction.variance_output })
    }
}

impl std::fmt::Debug for ScaledEpsilon<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScaledEpsilon").field("scale", &self.scale).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::GaussianTarget;
    use ddpm_core::Time;
    use ddpm_core::targets::{Covariance, Gaussian};
    use tch::{Device, Kind};

    #[test]
    fn eps_is_divided_and_the_error_of_an_exact_denoiser_is_known() {
        let law = Gaussian::new(vec![0.2, -0.1], Covariance::Diagonal(vec![0.5, 2.0])).unwrap();
        let target = GaussianTarget::new(&law, Device::Cpu).unwrap();
        let level = Level::variance_preserving(-0.7, Time::Continuous(0.5));
        let n = 200_000;
        tch::manual_seed(1);
        let normal = || Tensor::randn([n, 2], (Kind::Double, Device::Cpu));
        let x0 =
            normal() * Tensor::from_slice(&[0.5f64.sqrt(), 2f64.sqrt()]) + Tensor::from_slice(&[0.2, -0.1]);
        let x_t = x0 * level.alpha() + normal() * level.sigma();
        let scaled = ScaledEpsilon::new(&target, 1.25).unwrap().predict(&x_t, &level).unwrap();
        let plain = target.predict(&x_t, &level).unwrap();
        let eps = |p: &Prediction| p.epsilon(&x_t, &level).unwrap();
        assert!((eps(&scaled) * 1.25 - eps(&plain)).abs().max().double_value(&[]) < 1e-12);
        let gap = scaled.x0(&x_t, &level).unwrap() - plain.x0(&x_t, &level).unwrap();
        let got = gap.square().sum(Kind::Double).double_value(&[]) / n as f64;
        let expected = 0.04 / level.snr() * (2.0 - level.snr() * law.mmse(&level));
        assert!((got / expected - 1.0).abs() < 0.02, "{got} {expected}");
        let text = ScaledEpsilon::new(&target, 0.0).unwrap_err().to_string();
        assert!(text.contains("epsilon scale"), "{text}");
        let noise = Level::variance_preserving(f64::NEG_INFINITY, Time::Continuous(1.0));
        assert!(ScaledEpsilon::new(&target, 1.1).unwrap().predict(&x_t, &noise).is_err());
    }
}
