//! Mean and covariance spectrum of a data set: all that its Gaussian approximation needs.

use crate::EvalError;
use ddpm_core::Level;
use ddpm_core::classical::InitializationDistance;
use ddpm_core::targets::{Covariance, Gaussian};
use ddpm_data::ImageSet;
use ddpm_data::moments::{Moments, moments};
use tch::{Kind, Tensor};

/// Mean and covariance spectrum of a data set in model space, [-1, 1].
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    /// Images they were taken from.
    pub count: u64,
    /// The mean, `[d]`.
    pub mean: Vec<f64>,
    /// The eigenvalues of the covariance, ascending, `[d]`.
    pub eigenvalues: Vec<f64>,
}

impl Spectrum {
    /// Mean and covariance spectrum of all images of a set; for 50,000 pictures of 3,072 values about 20 s on two cores.
    pub fn of_images(images: &ImageSet) -> Result<Self, EvalError> {
        Self::of_moments(&moments(images)?)
    }

    /// The spectrum of given moments.
    pub fn of_moments(moments: &Moments) -> Result<Self, EvalError> {
        let d = moments.mean.len() as i64;
        let eigenvalues = torch_ext::fence(|| {
            Tensor::from_slice(&moments.covariance).reshape([d, d]).linalg_eigvalsh("L").to_kind(Kind::Double)
        })?;
        let eigenvalues = Vec::<f64>::try_from(eigenvalues).map_err(torch_ext::TorchError::from)?;
        Ok(Spectrum {
            count: moments.count,
            mean: moments.mean.clone(),
            // Constant pixels give eigenvalues of zero, which rounding leaves on either side.
            eigenvalues: eigenvalues.into_iter().map(|value| value.max(0.0)).collect(),
        })
    }

    /// E|x_0|^2.
    pub fn second_moment(&self) -> f64 {
        self.mean.iter().map(|m| m * m).sum::<f64>() + self.eigenvalues.iter().sum::<f64>()
    }

    /// W2 between the noised data and the sampler's start, both taken as Gaussians, in the units of x_0: a plug-in estimate of the
    /// initialization term.
    pub fn initialization(&self, start: &Level) -> Result<InitializationDistance, EvalError> {
        Ok(InitializationDistance::of_moments(&self.mean, &self.eigenvalues, start)?)
    }

    /// E|x_0 - A x_t - b|^2 of the best linear denoiser at each level, in their order: the ideal denoiser of the Gaussian with these
    /// moments (Wiener), whose error depends on them alone.
    ///
    /// It is the least error of any denoiser if the data are Gaussian, and an upper bound of the least error whatever they are.
    pub fn linear_mse(&self, levels: &[Level]) -> Result<Vec<f64>, EvalError> {
        // Directions without variance carry no error.
        let variances: Vec<f64> = self.eigenvalues.iter().copied().filter(|&value| value > 0.0).collect();
        if variances.is_empty() {
            return Ok(vec![0.0; levels.len()]);
        }
        let covariance = Covariance::diagonal("eigenvalues", variances)?;
        let law = Gaussian::new(vec![0.0; covariance.dim()], covariance)?;
        Ok(levels.iter().map(|level| law.mmse(level)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ddpm_core::{Schedule, Time, TimeIndex};
    use ddpm_data::ImageShape;

    #[test]
    fn the_spectrum_of_a_known_covariance() {
        // Circulant [[2,1,1],[1,2,1],[1,1,2]]: eigenvalues 1, 1 and 4.
        let covariance = vec![2.0, 1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0, 2.0];
        let spectrum =
            Spectrum::of_moments(&Moments { count: 9, mean: vec![0.0, 3.0, 4.0], covariance }).unwrap();
        for (value, expected) in spectrum.eigenvalues.iter().zip([1.0, 1.0, 4.0]) {
            assert!((value - expected).abs() < 1e-12);
        }
        // At sigma_T = 157 the mean is nearly all of the distance: |m| = 5, and 3/(2 sigma) from the spread.
        let start = Schedule::linear(1000).unwrap().level(TimeIndex(999));
        let w2 = spectrum.initialization(&start).unwrap().w2;
        assert!((w2 - 5f64.hypot(3.0 / (2.0 * start.relative_sigma()))).abs() < 1e-6, "{w2}");
        // 1/(1 + snr) twice and 4/(1 + 4 snr): without signal all of the variance is missed.
        let level = |snr: f64| Level::variance_preserving(snr.ln(), Time::Continuous(0.5));
        let mse = spectrum.linear_mse(&[level(0.0), level(0.5)]).unwrap();
        assert!(
            (mse[0] - 6.0).abs() < 1e-12 && (mse[1] - 2.0 * 2.0 / 3.0 - 4.0 / 3.0).abs() < 1e-12,
            "{mse:?}"
        );
    }

    #[test]
    fn constant_images_have_a_spectrum_of_zeros() {
        let images = ImageSet::new(ImageShape::new(1, 2, 2), vec![200; 40]).unwrap();
        let spectrum = Spectrum::of_images(&images).unwrap();
        let start = Schedule::linear(1000).unwrap().level(TimeIndex(999));
        assert_eq!(spectrum.linear_mse(&[start]).unwrap(), [0.0]);
        assert_eq!((spectrum.count, spectrum.eigenvalues), (10, vec![0.0; 4]));
    }
}
