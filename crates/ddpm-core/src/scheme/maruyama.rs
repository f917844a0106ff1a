//! Euler-Maruyama on the reverse SDE: the rates frozen at the step's noisier end.
//!
//! x_s = x_t - h (f x_t - g^2 score) + g sqrt(h) z, h = t - s > 0.

use super::algebra::{StepBuilder, score};
use super::step::Step;
use crate::Level;
use crate::sde::Rates;

/// One step of length `span` = t - s in the process's time.
pub fn euler_maruyama(t: &Level, s: &Level, rates: &Rates, span: f64) -> Step {
    let reverse = rates.reverse_sde();
    let mut step = StepBuilder::new(t, s);
    let x = step.x();
    let d = step.denoise(t, &x);
    let output = &x
        + (-span * reverse.of_x) * &x
        + (-span * reverse.of_score) * score(t, &x, &d)
        + reverse.diffusion * span.sqrt() * step.z();
    step.finish(output)
}
