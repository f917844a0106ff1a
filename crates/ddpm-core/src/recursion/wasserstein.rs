//! W2 between Gaussians that share their eigenvectors, and the errors of a sampler measured in it.

use super::gaussian_denoiser::{GaussianDenoiser, Start, sample_law};
use super::transfer::Moments;
use crate::{CoreError, Level, Scheme, Trajectory};
use serde::{Deserialize, Serialize};

/// W2 between two Gaussians given along common eigenvectors: sqrt(sum (m - m')^2 + (sqrt v - sqrt v')^2).
pub fn w2(a: &[Moments], b: &[Moments]) -> f64 {
    let squared = |(a, b): (&Moments, &Moments)| {
        let spread = a.variance.sqrt() + b.variance.sqrt();
        // (v - v')/(sqrt v + sqrt v') keeps the digits of nearly equal variances.
        let difference = if spread > 0.0 { (a.variance - b.variance) / spread } else { 0.0 };
        (a.mean - b.mean).powi(2) + difference * difference
    };
    a.iter().zip(b).map(squared).sum::<f64>().sqrt()
}

/// W2 from the law of the samples to the target, with one source of error switched on at a time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct W2Errors {
    /// Started at the true law of x_T: discretization and truncation.
    pub from_marginal: f64,
    /// Started at N(0, I): initialization as well.
    pub from_normal: f64,
    /// Infinitely many steps from the true law of x_T: truncation alone.
    pub continuous_from_marginal: f64,
    /// Infinitely many steps from N(0, I): initialization and truncation.
    pub continuous_from_normal: f64,
}

/// The errors of a sampler along a trajectory. Continuous time means the reverse SDE for samplers that draw noise, the ODE for the others.
pub fn w2_errors(
    denoiser: &GaussianDenoiser<'_>,
    trajectory: &Trajectory,
    scheme: &Scheme,
) -> Result<W2Errors, CoreError> {
    let plan = scheme.plan(trajectory)?;
    let stochastic = plan.iter().any(|step| step.draws() > 0);
    let target = denoiser.marginal(&Level::CLEAN);
    let (start, end) = (trajectory.start(), trajectory.end());
    let transfers = denoiser.transfers(&plan);
    let sampled = |from: Start| {
        let begin = denoiser.start(from, start);
        let law: Vec<Moments> = transfers.iter().zip(begin).map(|(transfer, m)| transfer.apply(m)).collect();
        w2(&law, &target)
    };
    let continuous = |from: Start| w2(&continuous_law(denoiser, start, end, from, stochastic), &target);
    Ok(W2Errors {
        from_marginal: sampled(Start::Marginal),
        from_normal: sampled(Start::Prior),
        continuous_from_marginal: continuous(Start::Marginal),
        continuous_from_normal: continuous(Start::Prior),
    })
}

/// The law at `end` of the exact reverse SDE or probability-flow ODE with the ideal denoiser, started at `start`.
///
/// Both carry a deviation from the marginal: the SDE by K = (alpha_T/alpha_e) S_e/S_T, the ODE by sqrt(S_e/S_T), with S the marginal's
/// variance.
pub fn continuous_law(
    denoiser: &GaussianDenoiser<'_>,
    start: &Level,
    end: &Level,
    from: Start,
    stochastic: bool,
) -> Vec<Moments> {
    let (high, low) = (denoiser.marginal(start), denoiser.marginal(end));
    let begin = denoiser.start(from, start);
    let carried = |((high, low), begin): ((&Moments, &Moments), &Moments)| {
        let ratio = low.variance / high.variance;
        let factor = if stochastic { start.alpha() / end.alpha() * ratio } else { ratio.sqrt() };
        Moments {
            mean: low.mean + factor * (begin.mean - high.mean),
            variance: low.variance + factor * factor * (begin.variance - high.variance),
        }
    };
    high.iter().zip(&low).zip(&begin).map(carried).collect()
}

/// W2 between the samples and the true law at the trajectory's last level: the discretization error alone, when started at the marginal.
pub fn w2_to_end(
    denoiser: &GaussianDenoiser<'_>,
    trajectory: &Trajectory,
    scheme: &Scheme,
) -> Result<f64, CoreError> {
    let plan = scheme.plan(trajectory)?;
    let law = sample_law(denoiser, trajectory, &plan, Start::Marginal);
    Ok(w2(&law, &denoiser.marginal(trajectory.end())))
}
