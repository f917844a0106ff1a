//! The ideal denoiser of a mixture of Gaussians: the components' denoisers, weighted by their responsibilities
//! r_k = softmax(log w_k + log q_{t,k}(x_t)).

use super::gaussian_target::GaussianTarget;
use super::ideal_denoiser::{IdealDenoiser, TargetPosterior, check, squared_norm};
use crate::NetsError;
use ddpm_core::Level;
use ddpm_core::targets::{Component, Mixture};
use tch::{Device, Kind, Tensor};

/// The ideal denoiser of a mixture. Evaluated in f64; differentiable.
#[derive(Debug)]
pub struct MixtureTarget {
    shape: [i64; 1],
    components: Vec<(f64, GaussianTarget)>,
}

impl MixtureTarget {
    /// For rows [n, d] on a device.
    pub fn new(law: &Mixture, device: Device) -> Result<Self, NetsError> {
        let part = |c: &Component| Ok((c.weight, GaussianTarget::new(&c.law, device)?));
        let components = law.components().iter().map(part).collect::<Result<_, NetsError>>()?;
        Ok(MixtureTarget { shape: [law.dim() as i64], components })
    }

    /// log( w_k q_{t,k}(x_t) ) for rows `x_t` [n, d]: [n, K] f64, differentiable. Their softmax are the responsibilities, their logsumexp is
    /// the log density.
    pub fn log_joint(&self, x_t: &Tensor, level: &Level) -> Result<Tensor, NetsError> {
        check(&self.shape, x_t, level)?;
        Ok(torch_ext::fence(|| self.parts(&x_t.to_kind(Kind::Double), level).1)?)
    }

    /// The components' posteriors, and log( w_k q_{t,k} ) as [n, K].
    fn parts(&self, x: &Tensor, level: &Level) -> (Vec<TargetPosterior>, Tensor) {
        let parts: Vec<_> = self.components.iter().map(|(_, part)| part.rows(x, level)).collect();
        let log_joint: Vec<Tensor> = self
            .components
            .iter()
            .zip(&parts)
            .map(|((weight, _), part)| &part.log_density + weight.ln())
            .collect();
        (parts, Tensor::stack(&log_joint, 1))
    }

    fn rows(&self, x: &Tensor, level: &Level) -> TargetPosterior {
        let (parts, log_joint) = self.parts(x, level);
        let responsibilities = log_joint.softmax(1, Kind::Double);
        let share = |k: usize| responsibilities.select(1, k as i64);
        let mut mean = x.zeros_like();
        for (k, part) in parts.iter().enumerate() {
            mean += &part.mean * share(k).unsqueeze(1);
        }
        // The law of total variance.
        let mut variance = Tensor::zeros([x.size()[0]], (Kind::Double, x.device()));
        for (k, part) in parts.iter().enumerate() {
            variance += share(k) * (&part.variance + squared_norm(&(&part.mean - &mean)));
        }
        TargetPosterior { mean, variance, log_density: log_joint.logsumexp([1i64].as_slice(), false) }
    }
}

impl IdealDenoiser for MixtureTarget {
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

#[cfg(test)]
mod tests {
    use super::super::{ideal_denoiser, reference};
    use super::*;
    use ddpm_core::TargetSpec;
    use ddpm_core::{Process, Schedule, TimeIndex};

    /// Components of two and three dimensions, full, diagonal and isotropic, one of them nearly flat.
    fn specs() -> Vec<TargetSpec> {
        let cov = vec![vec![1.0, 0.6, 0.0], vec![0.6, 0.5, -0.1], vec![0.0, -0.1, 0.3]];
        let flat = vec![vec![1.0, 0.999, 0.0], vec![0.999, 1.0, 0.0], vec![0.0, 0.0, 1e-6]];
        let means = vec![vec![-1.0, 0.5, 2.0], vec![1.0, -0.5, 0.0]];
        vec![
            TargetSpec::Gaussian {
                mean: Some(means[0].clone()),
                cov: Some(cov.clone()),
                var: None,
                file: None,
            },
            TargetSpec::Gaussian {
                mean: Some(means[1].clone()),
                cov: None,
                var: Some(vec![0.1, 1.0, 9.0]),
                file: None,
            },
            TargetSpec::Mixture {
                weights: vec![0.2, 0.8],
                means: means.clone(),
                stds: None,
                covs: Some(vec![cov, flat]),
            },
            TargetSpec::Mixture { weights: vec![0.7, 0.3], means, stds: Some(vec![0.01, 0.5]), covs: None },
        ]
    }

    #[test]
    fn closed_forms_equal_the_reference_at_every_level() {
        let schedule = Schedule::linear(1000).unwrap();
        let mut levels: Vec<Level> =
            [0u32, 1, 20, 300, 999].iter().map(|&t| schedule.level(TimeIndex(t))).collect();
        levels.push(Process::VarianceExploding { sigma_min: 0.01, sigma_max: 50.0 }.level(1.0).unwrap());
        for spec in specs() {
            let law = spec.build().unwrap();
            let tensors = ideal_denoiser(&law, Device::Cpu).unwrap();
            for level in &levels {
                // Points from the law's own region out to where no component is near.
                let points: Vec<f64> =
                    (0..60).map(|i| level.prior_std() * (f64::from(i) - 30.0) * 0.37).collect();
                let x = Tensor::from_slice(&points).reshape([20, 3]);
                let got = tensors.posterior(&x, level).unwrap();
                let expected = reference::posterior(&law, &x, level);
                reference::assert_close(
                    &got,
                    &expected,
                    [1e-9, 1e-9, 1e-11],
                    &format!("{spec:?} at {level:?}"),
                );
                let single = tensors.predict(&x.to_kind(Kind::Float), level).unwrap().value;
                assert_eq!(single.kind(), Kind::Float);
            }
        }
    }

    #[test]
    fn the_gradient_of_the_log_density_is_the_score() {
        let spec = &specs()[2];
        let ddpm_core::Target::Mixture(law) = spec.build().unwrap() else { unreachable!() };
        let tensors = MixtureTarget::new(&law, Device::Cpu).unwrap();
        let level = Schedule::linear(1000).unwrap().level(TimeIndex(200));
        let x = Tensor::from_slice(&[0.3, -0.2, 1.0, -1.0, 0.4, 0.1]).reshape([2, 3]).set_requires_grad(true);
        let log_density = tensors.posterior(&x, &level).unwrap().log_density;
        log_density.sum(Kind::Double).backward();
        let rows: Vec<Vec<f64>> = Vec::try_from(x.detach()).unwrap();
        let scores: Vec<f64> = rows.iter().flat_map(|row| law.score(row, &level)).collect();
        assert!(reference::largest_difference(&x.grad(), &Tensor::from_slice(&scores)) < 1e-10);
        let total = tensors.log_joint(&x, &level).unwrap().logsumexp([1i64].as_slice(), false);
        assert!(reference::largest_difference(&total, &log_density) < 1e-12);
    }
}
