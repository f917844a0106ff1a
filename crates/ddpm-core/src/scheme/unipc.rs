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

use super::algebra::StepBuilder;
use super::multistep::{Order, exponential_moments, half_log_snr, multistep};
use super::step::Step;
use crate::Level;

/// One step from t to s. `before` is the level of the evaluation before t's, if there is one; `first` says that D(x_t) has yet to be made.
pub fn unipc(t: &Level, s: &Level, before: Option<&Level>, first: bool) -> Step {
    let earlier: Vec<Level> = before.copied().into_iter().collect();
    let mut step = StepBuilder::new(t, s);
    let d = if first { step.denoise(t, &step.x()) } else { step.earlier(0) };
    let d_before = step.earlier(usize::from(!first));
    let predicted = multistep(&mut step, t, s, &earlier, [&d, &d_before, &d_before], Order::Second, false);
    if s.is_clean() {
        return step.finish(predicted);
    }
    let d_s = step.denoise(s, &predicted);
    let h = half_log_snr(s) - half_log_snr(t);
    let [j0, j1, j2] = exponential_moments(h);
    let scale = s.alpha() * j0;
    let linear = s.sigma() / t.sigma() * step.x();
    let corrected = match before.filter(|level| level.log_snr().is_finite()) {
        None => linear + scale * (&d + 0.5 * (d_s - &d)),
        Some(before) => {
            let rk = (half_log_snr(before) - half_log_snr(t)) / h;
            let r0 = (j1 - j2) / j0 / (1.0 - rk);
            let r1 = j1 / j0 - r0;
            linear + scale * (&d + r1 * (d_s - &d)) + scale * (r0 / rk) * (d_before - &d)
        }
    };
    step.finish(corrected)
}
