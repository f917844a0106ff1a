//! UniPC of order 2 in data prediction, with B(h) = e^h - 1 (Zhao et al. 2023): a predictor and a corrector that shares its evaluation.
//!
//! ```text
//! predict  y   = DPM-Solver++ 2M from x_t
//! evaluate D_s = D(y)
//! correct  x_s = (sigma_s/sigma_t) x_t + alpha_s J_0 [ D + r_0 d + r_1 (D_s - D) ]
//!          r_0 + r_1 = J_1/J_0,   rk r_0 + r_1 = J_2/J_0,   d = (D_before - D)/rk,   rk = (l_before - l_t)/h
//! ```
//!
//! D_s serves as the next step's first evaluation: a run of N steps makes N evaluations, and the corrector raises the order to 3.

use super::multistep::{exponential_moments, half_log_snr};
use super::{Combination, Order, Stage, Step, dpm_solver_pp};
use crate::Level;

/// One step from t to s. `before` is the level of the evaluation before t's, if there is one; `first` says that D(x_t) has yet to be made.
pub fn unipc(t: &Level, s: &Level, before: Option<&Level>, first: bool) -> Step {
    let earlier: Vec<Level> = before.copied().into_iter().collect();
    let predictor = dpm_solver_pp(t, s, &earlier, Order::Second, false).output;
    let mut stages = Vec::new();
    if first {
        stages.push(Stage { level: *t, state: Combination::state() });
    }
    let mut step = Step { from: *t, to: *s, stages, output: predictor, error: None, learned_range: None };
    if s.is_clean() {
        return step;
    }
    let h = half_log_snr(s) - half_log_snr(t);
    let [j0, j1, j2] = exponential_moments(h);
    // Weights of D_s - D and of d.
    let (of_new, of_old) = match before.filter(|level| level.log_snr().is_finite()) {
        None => (0.5, None),
        Some(before) => {
            let rk = (half_log_snr(before) - half_log_snr(t)) / h;
            let r0 = (j1 - j2) / j0 / (1.0 - rk);
            (j1 / j0 - r0, Some(r0 / rk))
        }
    };
    let scale = s.alpha() * j0;
    let mut of_x0 = vec![scale * of_new, scale * (1.0 - of_new)];
    if let Some(weight) = of_old {
        of_x0[1] -= scale * weight;
        of_x0.push(scale * weight);
    }
    step.stages.push(Stage { level: *s, state: std::mem::take(&mut step.output) });
    step.output = Combination { of_x: s.sigma() / t.sigma(), of_x0, of_noise: Vec::new() };
    step
}
