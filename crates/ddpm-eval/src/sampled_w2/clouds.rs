//! Sets of samples: exact samples, and samples of a sampler under any combination of errors.

use super::effort::Effort;
use crate::EvalError;
use ddpm_core::decomposition::{AblationDenoiser, AblationSteps, fine, mmse_per_component};
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::recursion::Start;
use ddpm_core::{Scheme, Target, Trajectory, Variance};
use ddpm_nets::targets::ideal_denoiser;
use ddpm_nets::{Denoiser, Perturbed};
use ddpm_sample::{NoiseInput, Options, Tolerance, sample};
use std::ops::ControlFlow;
use tch::{Device, Kind, Tensor};

/// A sampler on a closed-form target.
pub struct SampleRun<'a> {
    /// The law of the data.
    pub target: &'a Target,
    /// The levels that the sampler goes through.
    pub trajectory: Trajectory,
    /// The sampler.
    pub scheme: Scheme,
    /// A constant added to every component of the ideal denoiser.
    pub perturbation: f64,
    /// A denoiser of its own in the place of the ideal one with the constant.
    pub denoiser: Option<&'a dyn Denoiser>,
    /// Tolerance of an adaptive sampler.
    pub tolerance: Tolerance,
    /// Seed of all samples and their noise.
    pub seed: u64,
    /// Where sampling runs.
    pub device: Device,
}

impl std::fmt::Debug for SampleRun<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SampleRun")
            .field("target", &self.target)
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

/// Independent sets of exact samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampled {
    /// The reference set of all distances.
    Reference = 0,
    /// A second set, whose distance to the reference is the noise floor.
    Second = 1,
    /// Samples that are noised to x_T, where sampling starts at the law of the noised data.
    Noised = 2,
}

/// Samples in a batch.
const BATCH: u64 = 16_384;

impl SampleRun<'_> {
    /// `count` exact samples [count, d], one after another.
    pub fn exact(&self, set: Sampled, count: usize) -> Vec<f64> {
        let source = NoiseSource::new(self.seed, Purpose::Target);
        let first = (set as u64) << 40;
        (first..first + count as u64).flat_map(|image| self.target.sample(&source, image)).collect()
    }

    /// Samples [n, d] under a combination of errors, one after another.
    pub fn samples(
        &self,
        start: Start,
        steps: AblationSteps,
        answers: AblationDenoiser,
        effort: &Effort,
    ) -> Result<Vec<f64>, EvalError> {
        let (mut trajectory, scheme) = match steps {
            AblationSteps::Steps => (self.trajectory.clone(), self.scheme),
            AblationSteps::Fine => fine(&self.trajectory, effort.fine_steps, self.is_stochastic()?)?,
        };
        if scheme == (Scheme::Ddpm { variance: Variance::Analytic }) {
            let mse = mmse_per_component(self.target, &trajectory)?;
            trajectory = trajectory.with_mse(mse)?;
        }
        let ideal = ideal_denoiser(self.target, self.device)?;
        let perturbed = Perturbed::new(ideal.as_ref(), self.perturbation);
        let denoiser: &dyn Denoiser = match answers {
            AblationDenoiser::Ideal => ideal.as_ref(),
            AblationDenoiser::Given => self.denoiser.unwrap_or(&perturbed),
        };
        let dim = self.target.dim();
        let options = Options { tolerance: self.tolerance, ..Options::default() };
        let noise = match start {
            Start::Marginal => {
                let data = Tensor::from_slice(&self.exact(Sampled::Noised, effort.samples));
                NoiseInput::noised(self.seed, &data.reshape([-1, dim as i64]).to_kind(Kind::Float))
            }
            Start::Prior => NoiseInput::keyed(self.seed, &[dim as i64]),
        };
        let mut rows = Vec::with_capacity(effort.samples * dim);
        let total = effort.samples as u64;
        for first in (0..total).step_by(BATCH as usize) {
            let range = first..(first + BATCH).min(total);
            let mut noise = noise.batch(range, self.device)?;
            let mut on = |_: &_| ControlFlow::Continue(());
            let x = sample(denoiser, &scheme, &trajectory, &mut noise, &options, &mut on)?.x;
            let values = torch_ext::fence(|| {
                Vec::<f64>::try_from(x.to_device(Device::Cpu).to_kind(Kind::Double).reshape([-1]))
            })?;
            rows.extend(values.map_err(torch_ext::TorchError::from)?);
        }
        Ok(rows)
    }

    /// Whether the sampler draws noise on its way.
    pub fn is_stochastic(&self) -> Result<bool, EvalError> {
        if self.scheme == Scheme::OdeRk45 {
            return Ok(false);
        }
        let mut trajectory = self.trajectory.clone();
        if self.scheme == (Scheme::Ddpm { variance: Variance::Analytic }) {
            // The values do not change the number of draws.
            let any = vec![0.0; trajectory.steps()];
            trajectory = trajectory.with_mse(any)?;
        }
        Ok(self.scheme.plan(&trajectory)?.iter().any(|step| step.draws() > 0))
    }
}
