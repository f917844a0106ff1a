//! W2 between the samples of a sampler and a closed-form target, for every target and every sampler.
//!
//! The samples come from the samplers of [`ddpm_sample`] with the ideal denoiser of the target, to which a constant is added to study an
//! imperfect one. All combinations of errors use the same noise, so that their differences are less noisy than the distances themselves. The
//! reference is an independent set of exact samples. The distance of two finite sets of exact samples is not 0: it is the noise floor.

mod clouds;
mod effort;
mod entropic;

pub use clouds::{SampleRun, Sampled};
pub use effort::Effort;

use crate::EvalError;
use ddpm_core::decomposition::{AblationCell, AblationSteps, W2Ablation, W2Method};
use ddpm_core::interval::CONFIDENCE;
use ddpm_core::recursion::Start;
use ddpm_core::transport::{Bootstrap, Cloud, Coupling, SampleDistance};

/// A reference set, and how distances from it are computed.
#[derive(Debug)]
pub struct Reference<'a> {
    run: &'a SampleRun<'a>,
    points: Vec<f64>,
    effort: Effort,
    bootstrap: Bootstrap,
}

impl<'a> Reference<'a> {
    /// Draws the reference set of a run.
    pub fn new(run: &'a SampleRun<'a>, effort: Effort) -> Result<Self, EvalError> {
        if effort.samples < 2 {
            return Err(EvalError::mismatch("samples for a distance", "at least 2", effort.samples));
        }
        let bootstrap = Bootstrap { resamples: effort.resamples, confidence: CONFIDENCE, seed: run.seed };
        Ok(Reference { run, points: run.exact(Sampled::Reference, effort.samples), effort, bootstrap })
    }

    /// The distance of a set of samples [n, d], one after another, from the reference set.
    pub fn distance(&self, samples: &[f64]) -> Result<SampleDistance, EvalError> {
        Ok(self.coupling(samples)?.distance(&self.bootstrap)?)
    }

    fn coupling(&self, samples: &[f64]) -> Result<Coupling, EvalError> {
        let dim = self.run.target.dim();
        let clouds = (Cloud::new(dim, samples)?, Cloud::new(dim, &self.points)?);
        Ok(Coupling::new(&clouds.0, &clouds.1, self.effort.directions, self.run.seed)?)
    }

    /// The distance of a second exact set: what no sampler can beat at this number of samples.
    pub fn noise_floor(&self) -> Result<SampleDistance, EvalError> {
        self.distance(&self.run.exact(Sampled::Second, self.effort.samples))
    }

    /// The reference set itself.
    pub fn points(&self) -> &[f64] {
        &self.points
    }
}

/// The ablation, and the samples of the sampler in use: its own steps from N(0, I) with the denoiser in use.
#[derive(Clone, Debug, PartialEq)]
pub struct SampledAblation {
    /// Every combination.
    pub ablation: W2Ablation,
    /// Samples [n, d] of the sampler, one after another.
    pub samples: Vec<f64>,
    /// As many exact samples.
    pub exact: Vec<f64>,
}

/// The ablation of a run. `progress` is called with the number of combinations that are done and their total.
pub fn sampled_ablation(
    run: &SampleRun<'_>,
    effort: Effort,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<SampledAblation, EvalError> {
    let reference = Reference::new(run, effort)?;
    let dim = run.target.dim();
    let blocks = entropic::Blocks::of(dim, reference.points());
    let combinations = W2Ablation::combinations(run.perturbation != 0.0 || run.denoiser.is_some());
    let total = combinations.len();
    let mut cells = Vec::with_capacity(total);
    let mut own = Vec::new();
    for (done, (start, steps, denoiser)) in combinations.into_iter().enumerate() {
        progress(done, total);
        let samples = run.samples(start, steps, denoiser, &effort)?;
        let SampleDistance { w2, stderr, interval } = reference.distance(&samples)?;
        let entropic = blocks.as_ref().map(|blocks| blocks.distance(&samples)).transpose()?;
        cells.push(AblationCell { start, steps, denoiser, w2, stderr, interval: Some(interval), entropic });
        // The last of these has the given denoiser.
        if (start, steps) == (Start::Prior, AblationSteps::Steps) {
            own = samples;
        }
    }
    progress(total, total);
    let second = run.exact(Sampled::Second, effort.samples);
    let ablation = W2Ablation {
        method: if dim == 1 { W2Method::Samples } else { W2Method::SlicedSamples },
        samples: Some(effort.samples),
        bootstrap: Some(reference.bootstrap),
        noise_floor: Some(reference.distance(&second)?),
        entropic_floor: blocks.as_ref().map(|blocks| blocks.distance(&second)).transpose()?,
        cells,
    };
    Ok(SampledAblation { ablation, samples: own, exact: reference.points })
}
