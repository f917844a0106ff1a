//! Ho et al.'s ancestral sampler: x_s ~ q(x_s | x_t, x_0 = D(x_t)) with a choice of variance (Ho et al. 2020, algorithm 2).
//!
//! The posterior is that between the *visited* levels, so a respaced sampler needs no other formula.

use crate::{Evaluator, Noise, SampleError, Sampler};
use ddpm_core::{Level, LogVarianceRange, Posterior, Variance};
use tch::Tensor;

/// The sampler `ddpm`.
#[derive(Clone, Debug)]
pub struct Ddpm {
    variance: Variance,
}

impl Ddpm {
    /// With this variance in every step; the last step, to data, has none.
    pub fn new(variance: Variance) -> Self {
        Ddpm { variance }
    }
}

impl Sampler for Ddpm {
    fn step(
        &mut self,
        x_t: &Tensor,
        t: &Level,
        s: &Level,
        denoiser: &mut Evaluator<'_>,
        noise: &mut dyn Noise,
    ) -> Result<Tensor, SampleError> {
        let posterior = Posterior::between(t, s);
        let answer = denoiser.evaluate(x_t, t)?;
        let mean = x_t * posterior.of_x_t + answer.x0 * posterior.of_x0;
        if s.is_clean() {
            return Ok(mean);
        }
        let std = match (self.variance, answer.variance_fraction) {
            (Variance::LearnedRange, Some(fraction)) => {
                let range = LogVarianceRange::of(&posterior, posterior.variance);
                ((fraction + 1.0) * (0.25 * (range.max - range.min)) + 0.5 * range.min).exp()
            }
            (variance, _) => {
                Tensor::from(variance.of(&posterior, None)?.sqrt() as f32).to_device(x_t.device())
            }
        };
        Ok(mean + noise.draw()? * std)
    }
}
