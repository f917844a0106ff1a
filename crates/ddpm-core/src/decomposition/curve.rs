//! Identities of denoising-error curves, exact for a trained network on data.
//!
//! The mmse of the population is unknown for data. A floor is a curve m in its place: the error of another model or of the empirical
//! denoiser. With L_{t-1} = d/2 [log(v/post) + post/v - 1] + c^2 mse_t/(2v) and *any* floor m
//!
//! ```text
//! disc_t  = d/2 [log(v/post) + post/v - 1] + c^2 m_t/(2v) - 1/2 integral of m over [snr_t, snr_s]
//! train_t = c^2 (mse_t - m_t)/(2v)
//! info_t  = 1/2 integral of m over [snr_t, snr_s]                     (not an error)
//! disc_t + train_t + info_t = L_{t-1}      whatever m is
//! ```
//!
//! Curves have one entry a visited level, the noisiest first. An entry is a squared norm summed over the d components. Integrals use the
//! trapezoid rule of snr m in log snr, whose error is far smaller than in snr. The error of an integral is estimated twice: by the difference
//! from power-law interpolation and by the leading error term of the trapezoid rule. The larger estimate is reported.

pub use super::error_curve::ErrorCurve;

use super::step::ReverseStep;
use crate::{CoreError, Level};

/// The parts of one step, or of all steps together, in nats.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Parts {
    /// Discretization: the part that infinitely many steps would remove if the floor were the error of the ideal denoiser.
    pub discretization: f64,
    /// Training: the part that a denoiser with the floor's error would remove.
    pub training: f64,
    /// Information about x_0 that the step restores. It is not an error.
    pub information: f64,
}

impl Parts {
    /// L_{t-1}, or its sum.
    pub fn sum(&self) -> f64 {
        self.discretization + self.training + self.information
    }
}

/// The split of a model's denoising error by a floor.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// Parts by step, the noisiest first.
    pub steps: Vec<Parts>,
    /// Their sum.
    pub total: Parts,
    /// Estimated error of the integrals of the floor, which moves nats between discretization and information.
    pub quadrature_error: f64,
}

/// Splits each step's term by the floor `floor`. Curves have one entry a visited level.
pub fn split(steps: &[ReverseStep], dim: usize, mse: &[f64], floor: &[f64]) -> Result<Split, CoreError> {
    check_curve("floor", steps, floor)?;
    let information: Vec<f64> = steps
        .iter()
        .enumerate()
        .map(|(k, step)| 0.5 * log_trapezoid(&step.t, &step.s, floor[k], floor[k + 1]))
        .collect();
    let levels: Vec<Level> =
        steps.first().map(|step| step.t).into_iter().chain(steps.iter().map(|step| step.s)).collect();
    let (steps, total) = split_with(steps, dim, mse, floor, &information)?;
    Ok(Split { steps, total, quadrature_error: quadrature_error(&levels, floor)? })
}

/// Splits each step's term by the floor `floor` and a given `information` by step, 1/2 of the integral of the floor: for a floor that is known
/// at more levels than are visited. Returns the parts by step and their sum.
pub fn split_with(
    steps: &[ReverseStep],
    dim: usize,
    mse: &[f64],
    floor: &[f64],
    information: &[f64],
) -> Result<(Vec<Parts>, Parts), CoreError> {
    check_curve("mse", steps, mse)?;
    check_curve("floor", steps, floor)?;
    if information.len() != steps.len() {
        let (expected, got) = (steps.len(), information.len());
        return Err(CoreError::Dimension { what: "information by step".into(), expected, got });
    }
    let mut total = Parts::default();
    let parts: Vec<Parts> = steps
        .iter()
        .enumerate()
        .map(|(k, step)| Parts {
            discretization: step.discretization(dim, floor[k], information[k]),
            training: step.error_weight() * (mse[k] - floor[k]),
            information: information[k],
        })
        .collect();
    for part in &parts {
        total.discretization += part.discretization;
        total.training += part.training;
        total.information += part.information;
    }
    Ok((parts, total))
}

/// Estimated error of 1/2 of the trapezoid rule's integral of a curve over `levels`, the noisiest first: the larger of the difference from
/// power-law interpolation and the trapezoid rule's leading error term.
pub fn quadrature_error(levels: &[Level], curve: &[f64]) -> Result<f64, CoreError> {
    if levels.len() != curve.len() {
        let (expected, got) = (levels.len(), curve.len());
        return Err(CoreError::Dimension { what: "curve by level".into(), expected, got });
    }
    let power_law: f64 = levels
        .windows(2)
        .zip(curve.windows(2))
        .map(|(pair, m)| {
            let trapezoid = log_trapezoid(&pair[0], &pair[1], m[0], m[1]);
            0.5 * (trapezoid - power_law_integral(&pair[0], &pair[1], m[0], m[1])).abs()
        })
        .sum();
    let leading: f64 = leading_errors(levels, curve).iter().map(|error| error.abs()).sum();
    Ok(power_law.max(leading))
}

/// L_{t-1} of every step: the divergence of the posterior from the model's step, averaged over data and noise.
pub fn step_bounds(steps: &[ReverseStep], dim: usize, mse: &[f64]) -> Result<Vec<f64>, CoreError> {
    check_curve("mse", steps, mse)?;
    let bound =
        |(step, m): (&ReverseStep, &f64)| dim as f64 * step.variance_mismatch() + step.error_weight() * m;
    Ok(steps.iter().zip(mse).map(bound).collect())
}

/// The integral of m over [snr_t, snr_s] by the trapezoid rule of snr m in log snr, or of m in snr where t has no signal.
pub fn log_trapezoid(t: &Level, s: &Level, m_t: f64, m_s: f64) -> f64 {
    if t.log_snr() == f64::NEG_INFINITY {
        return 0.5 * s.snr() * (m_s + m_t);
    }
    0.5 * (s.log_snr() - t.log_snr()) * (s.snr() * m_s + t.snr() * m_t)
}

/// The same integral with m affine in the noise variance between the levels: m = a + b/snr. Linear in both ends, as the trapezoid rule is.
///
/// This is the rule for a model's own error, which has a part that does not fall with the noise. The trapezoid rule is biased there.
pub fn error_integral(t: &Level, s: &Level, m_t: f64, m_s: f64) -> f64 {
    if t.log_snr() == f64::NEG_INFINITY {
        return log_trapezoid(t, s, m_t, m_s);
    }
    let (low, high) = (t.snr(), s.snr());
    let constant = (high * m_s - low * m_t) / (high - low);
    let falling = low * (m_t - constant);
    constant * (high - low) + falling * (s.log_snr() - t.log_snr())
}

/// The weights of a curve's entries in half of its integral over `levels`, the noisiest first, by a rule that is linear in the ends of each
/// interval: [`log_trapezoid`] or [`error_integral`].
pub fn half_integral_weights(levels: &[Level], rule: fn(&Level, &Level, f64, f64) -> f64) -> Vec<f64> {
    let mut weights = vec![0.0; levels.len()];
    for (k, pair) in levels.windows(2).enumerate() {
        weights[k] += 0.5 * rule(&pair[0], &pair[1], 1.0, 0.0);
        weights[k + 1] += 0.5 * rule(&pair[0], &pair[1], 0.0, 1.0);
    }
    weights
}

/// The same integral with m a power of snr between the levels.
pub fn power_law_integral(t: &Level, s: &Level, m_t: f64, m_s: f64) -> f64 {
    let (low, high) = (t.snr() * m_t, s.snr() * m_s);
    let growth = (high / low).ln();
    if !(growth.is_finite() && growth.abs() > 1e-6) {
        return log_trapezoid(t, s, m_t, m_s);
    }
    // snr m is exponential in log snr: its mean over the step is the logarithmic mean of the ends.
    (s.log_snr() - t.log_snr()) * (high - low) / growth
}

/// The leading error of half of the trapezoid rule's integral on every step: h^2/24 times the change of the slope of snr m. Slopes come from
/// parabolas through neighbouring levels.
fn leading_errors(levels: &[Level], curve: &[f64]) -> Vec<f64> {
    if levels.len() < 2 {
        return Vec::new();
    }
    let points: Vec<(f64, f64)> =
        levels.iter().zip(curve).map(|(level, m)| (level.log_snr(), level.snr() * m)).collect();
    let secant = |i: usize| (points[i + 1].1 - points[i].1) / (points[i + 1].0 - points[i].0);
    let slope = |i: usize| {
        if points.len() < 3 {
            return secant(0);
        }
        let middle = i.clamp(1, points.len() - 2);
        let curvature = (secant(middle) - secant(middle - 1)) / (points[middle + 1].0 - points[middle - 1].0);
        secant(middle) + curvature * (2.0 * points[i].0 - points[middle].0 - points[middle + 1].0)
    };
    (0..levels.len() - 1)
        .map(|k| {
            let width = points[k + 1].0 - points[k].0;
            let error = width * width / 24.0 * (slope(k + 1) - slope(k));
            if error.is_finite() { error } else { 0.0 }
        })
        .collect()
}

/// Checks that a curve has an entry for every visited level.
fn check_curve(what: &str, steps: &[ReverseStep], curve: &[f64]) -> Result<(), CoreError> {
    let expected = steps.len() + 1;
    if curve.len() == expected {
        return Ok(());
    }
    Err(CoreError::Dimension { what: format!("{what} by visited level"), expected, got: curve.len() })
}
