//! Langevin dynamics at one noise level, and the rules that choose its step.
//!
//! x' = x + e score + sqrt(2e) z leaves the noised law at that level (approximately) invariant.

use super::algebra::{StepBuilder, score};
use super::step::Step;
use crate::{CoreError, Level};

/// One unadjusted Langevin step of size `step_size` (e above) at `level`.
pub fn langevin(level: &Level, step_size: f64) -> Result<Step, CoreError> {
    CoreError::check("step_size", "positive", step_size, step_size > 0.0 && step_size.is_finite())?;
    let mut step = StepBuilder::new(level, level);
    let x = step.x();
    let d = step.denoise(level, &x);
    let output = &x + step_size * score(level, &x, &d) + (2.0 * step_size).sqrt() * step.z();
    Ok(step.finish(output))
}

/// Song & Ermon's (2019, algorithm 1) rule for annealed Langevin dynamics: the step falls with the noise variance.
///
/// They write x + (a_i/2) score + sqrt(a_i) z with a_i = epsilon sigma_i^2/sigma_low^2, sigmas relative to the signal; this returns e = a_i/2
/// in the scale of x at `level`. `lowest` is the least noisy visited level.
pub(super) fn annealed_step_size(epsilon: f64, level: &Level, lowest: &Level) -> f64 {
    0.5 * epsilon * (level.sigma() / lowest.relative_sigma()).powi(2)
}

/// The corrector's signal-to-noise rule of Song et al. (2021, algorithms 4-5): e = 2 a (r |z|/|score|)^2, a = alpha_t^2/alpha_s^2 of the
/// predictor's step before it (1 on a VE process).
///
/// |z|/|score| is taken as sigma, its value for a network whose noise prediction has unit variance: the authors measure it on the batch,
/// which makes each image depend on its neighbours and the step nonlinear.
pub(super) fn corrector_step_size(signal_to_noise: f64, level: &Level, transition_scale: f64) -> f64 {
    2.0 * (transition_scale * signal_to_noise * level.sigma()).powi(2)
}
