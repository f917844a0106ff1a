//! Euler-Maruyama on the reverse SDE: the rates frozen at the step's noisier end.
//!
//! x_s = x_t - h (f x_t - g^2 score) + g sqrt(h) z, h = t - s > 0.

use super::{Combination, Step};
use crate::Level;
use crate::sde::Rates;

/// One step of length `span` = t - s in the process's time.
pub fn euler_maruyama(t: &Level, s: &Level, rates: &Rates, span: f64) -> Step {
    let reverse = rates.reverse_sde();
    let state = Combination::state();
    let output = Combination::state()
        .plus(-span * reverse.of_x, &state)
        .plus_score(-span * reverse.of_score, t, &state)
        .with_noise(0, reverse.diffusion * span.sqrt());
    Step::single(t, s, output)
}
