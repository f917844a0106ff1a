//! DPM-Solver++ (Lu et al. 2022): exponential integrators of the data prediction with memory.
//!
//! With l = log(alpha/sigma), h = l_s - l_t, u the fraction of the step, and k = 1 for the ODE, k = 2 for the SDE:
//!
//! ```text
//! x_s = (sigma_s/sigma_t) e^{-(k-1)h} x_t + alpha_s integral_0^1 k h e^{kh(u-1)} D(u) du   [ + sigma_s sqrt(1 - e^{-2h}) z ]
//! D(u) = D + u D_1 + u^2 D_2      Newton's polynomial in l through the last evaluations
//! J_n  = integral_0^1 x e^{x(u-1)} u^n du,  x = kh:   J_0 = 1 - e^{-x},   J_n = 1 - n J_{n-1}/x
//! ```
//!
//! The second order weighs D_1 by J_0/2 in place of J_1, the authors' midpoint form: they agree to O(h^2), and it is what diffusers and
//! k-diffusion compute. The third order takes D_2 as the divided difference itself, whose weight is J_2; public implementations weigh it by
//! J_2/2, which leaves an error of second order.

use super::algebra::{Expression, StepBuilder};
use super::step::Step;
use crate::Level;
use serde::{Deserialize, Serialize};

/// How many evaluations a step looks back on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The current one: DDIM.
    First,
    /// One before it.
    Second,
    /// Two before it.
    Third,
}

/// One step from t to s. `earlier` are the levels of the evaluations before t's, the newest first: the method takes as many as its order
/// asks for and falls back to a lower order where there are fewer. A step to data is of first order: h is infinite there.
pub fn dpm_solver_pp(t: &Level, s: &Level, earlier: &[Level], order: Order, stochastic: bool) -> Step {
    let mut step = StepBuilder::new(t, s);
    let d = step.denoise(t, &step.x());
    let answers = [&d, &step.earlier(0), &step.earlier(1)];
    let output = multistep(&mut step, t, s, earlier, answers, order, stochastic);
    step.finish(output)
}

/// x_s from x_t and the `answers` at t and at the levels `earlier`.
pub(super) fn multistep(
    step: &mut StepBuilder,
    t: &Level,
    s: &Level,
    earlier: &[Level],
    answers: [&Expression; 3],
    order: Order,
    stochastic: bool,
) -> Expression {
    let h = half_log_snr(s) - half_log_snr(t);
    let rate = if stochastic { 2.0 } else { 1.0 };
    let [j0, j1, j2] = exponential_moments(rate * h);
    let ratio = |newer: &Level, older: &Level| (half_log_snr(newer) - half_log_snr(older)) / h;
    let order = if s.is_clean() || t.log_snr() == f64::NEG_INFINITY { Order::First } else { order };
    let usable = earlier.iter().take_while(|level| level.log_snr().is_finite()).count();
    let [d, d_before, d_older] = answers;
    let integral = match (order, &earlier[..usable]) {
        (Order::First, _) | (_, []) => j0 * d,
        (Order::Second, [before, ..]) | (Order::Third, [before]) => {
            j0 * d + 0.5 * j0 / ratio(t, before) * (d - d_before)
        }
        (Order::Third, [before, older, ..]) => {
            let (r0, r1) = (ratio(t, before), ratio(before, older));
            // D_1 = d0 + r0 D_2 and D_2 = (d0 - d1)/(r0 + r1), d0 and d1 the two slopes per step.
            let curvature = (j1 * r0 + j2) / (r0 + r1);
            j0 * d + (j1 + curvature) / r0 * (d - d_before) + -curvature / r1 * (d_before - d_older)
        }
    };
    let extra_decay = if stochastic { (-h).exp() } else { 1.0 };
    let decay = if s.is_clean() { 0.0 } else { s.sigma() / t.sigma() * extra_decay };
    let noise = if stochastic { s.sigma() * j0.sqrt() } else { 0.0 };
    decay * step.x() + s.alpha() * integral + noise * step.z()
}

/// log(alpha/sigma).
pub(super) fn half_log_snr(level: &Level) -> f64 {
    0.5 * level.log_snr()
}

/// J_0, J_1, J_2 at `x` > 0. Forward recursion loses digits for small x, where the backward one is stable.
pub(super) fn exponential_moments(x: f64) -> [f64; 3] {
    if x >= 1.0 {
        let j0 = -(-x).exp_m1();
        let j1 = 1.0 - j0 / x;
        return [j0, j1, 1.0 - 2.0 * j1 / x];
    }
    // J_{n-1} = x (1 - J_n)/n, from J_20 = 0: the error shrinks by x/n at every step.
    let (mut moments, mut value) = ([0.0; 3], 0.0);
    for n in (1..=20).rev() {
        value = x * (1.0 - value) / f64::from(n);
        if n <= 3 {
            moments[n as usize - 1] = value;
        }
    }
    moments
}
