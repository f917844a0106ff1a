//! The distance of a network from the ideal denoiser of a closed-form target, which is known: its training error without a floor.

use crate::EvalError;
use ddpm_core::interval::Estimate;
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::{Level, Target};
use ddpm_nets::targets::ideal_denoiser;
use ddpm_nets::{Denoiser, normal_rows};
use tch::{Device, Kind, Tensor};

/// What is measured, and on how many exact samples of the target.
#[derive(Clone, Copy)]
pub struct IdealGap<'a> {
    /// The network.
    pub denoiser: &'a dyn Denoiser,
    /// The law of the data.
    pub target: &'a Target,
    /// The visited levels, the noisiest first, in the scale of the network's process.
    pub visited: &'a [Level],
    /// c^2/(2v) of the step that leaves each level; none at the lowest.
    pub weights: &'a [f64],
    /// Exact samples, each noised to every level.
    pub samples: usize,
    /// Seed of samples and noise.
    pub seed: u64,
    /// Where the denoisers run.
    pub device: Device,
}

/// E|D - D*|^2 at every level, and the training error in nats.
#[derive(Clone, Debug, PartialEq)]
pub struct Gap {
    /// E|D(x_t) - D*(x_t)|^2 at every visited level, summed over the components.
    pub errors: Vec<f64>,
    /// Sum over the steps of c^2/(2v) E|D - D*|^2, with its standard error over samples.
    pub training: Estimate,
}

impl IdealGap<'_> {
    /// Measures the gap; `progress` is told how many of the levels are done and may stop it.
    pub fn measure(
        &self,
        progress: &mut dyn FnMut(usize, usize) -> Result<(), EvalError>,
    ) -> Result<Gap, EvalError> {
        let (n, dim) = (self.samples as u64, self.target.dim() as i64);
        let source = NoiseSource::new(self.seed, Purpose::Target);
        let rows: Vec<f64> = (0..n).flat_map(|image| self.target.sample(&source, image)).collect();
        let noise = NoiseSource::new(self.seed, Purpose::Evaluation);
        let ideal = ideal_denoiser(self.target, self.device)?;
        let x0 = torch_ext::fence(|| {
            Tensor::from_slice(&rows).reshape([n as i64, dim]).to_kind(Kind::Float).to_device(self.device)
        })?;
        let mut errors = Vec::with_capacity(self.visited.len());
        let mut nats = vec![0.0; self.samples];
        for (k, level) in self.visited.iter().enumerate() {
            progress(k, self.visited.len())?;
            let eps = normal_rows(&noise, 0..n, k as u64, &[dim], self.device)?;
            let x_t = torch_ext::fence(|| &x0 * level.alpha() + eps * level.sigma())?;
            let (own, best) = (
                self.denoiser.predict(&x_t, level)?.x0(&x_t, level)?,
                ideal.predict(&x_t, level)?.x0(&x_t, level)?,
            );
            let squared = torch_ext::fence(|| {
                Vec::<f64>::try_from((own - best).to_kind(Kind::Double).square().sum_dim_intlist(
                    [1i64].as_slice(),
                    false,
                    Kind::Double,
                ))
            })?
            .map_err(torch_ext::TorchError::from)?;
            if let Some(image) = squared.iter().position(|value| !value.is_finite()) {
                let split = ddpm_data::Split::Train;
                return Err(EvalError::NotFinite { log_snr: level.log_snr(), image, split });
            }
            errors.push(squared.iter().sum::<f64>() / squared.len() as f64);
            if let Some(weight) = self.weights.get(k) {
                nats.iter_mut().zip(&squared).for_each(|(sum, value)| *sum += weight * value);
            }
        }
        Ok(Gap { errors, training: Estimate::of(nats.iter().copied())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ddpm_core::decomposition::{Settings, decompose};
    use ddpm_core::{Grid, Schedule, TargetSpec, Variance};
    use ddpm_nets::Perturbed;

    /// A constant error has a known training term at every level.
    #[test]
    fn the_gap_of_a_constant_error_is_the_closed_form() {
        let text = r#"{"kind":"mixture","weights":[0.4,0.6],"means":[[-1.0],[1.0]],"stds":[0.3,0.5]}"#;
        let target = serde_json::from_str::<TargetSpec>(text).unwrap().build().unwrap();
        let schedule = Schedule::linear(100).unwrap();
        let visited = schedule.visited(&Grid::Trailing.visit(&schedule, 10).unwrap()).unwrap();
        let variance = Variance::FixedLarge;
        let exact =
            decompose(&target, &visited, &Settings { perturbation: 0.1, ..Settings::new(variance) }).unwrap();
        let ideal = decompose(&target, &visited, &Settings::new(variance)).unwrap();
        let law = ideal_denoiser(&target, Device::Cpu).unwrap();
        let denoiser = Perturbed::new(law.as_ref(), 0.1);
        let weights = ideal.error_weights(variance).unwrap();
        let gap = IdealGap {
            denoiser: &denoiser,
            target: &target,
            visited: &visited,
            weights: &weights,
            samples: 200,
            seed: 1,
            device: Device::Cpu,
        };
        let found = gap.measure(&mut |_, _| Ok(())).unwrap();
        assert!((found.training.mean / exact.training.value - 1.0).abs() < 1e-4, "{found:?} {exact:?}");
        let got = ideal.with_errors(&found.errors, variance, found.training.stderr).unwrap();
        assert!((got.total.value / exact.total.value - 1.0).abs() < 1e-4);
        assert!((got.classical.training_mse_sum / exact.classical.training_mse_sum - 1.0).abs() < 1e-4);
        for (a, b) in got.levels.iter().zip(&exact.levels) {
            assert!((a.mse - b.mse).abs() < 1e-5 && a.training.is_some() == b.training.is_some());
        }
    }
}
