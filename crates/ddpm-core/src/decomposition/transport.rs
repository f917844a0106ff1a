//! The initialization distance: exact for Gaussians and in one dimension, otherwise between two bounds.
//!
//! In one dimension W2 couples equal quantiles: W2^2 = E (F^{-1}(Phi(z)) - s z)^2 for z ~ N(0, 1), F the law of x_T/alpha_T and
//! s^2 = 1 + sigma_T^2 in variance-exploding units. In more dimensions the distance of the matched Gaussians is never above W2 (Gelbrich 1990), and
//! the cost of any map from one law to the other never below it; the cost of a triangular map is estimated from draws.

use super::quadrature::{NormalComponent, components, standard_normal_expectation};
use super::quantile::quantile;
use super::triangular_map;
use crate::classical::{InitializationDistance, InitializationKind};
use crate::interval::CONFIDENCE;
use crate::{CoreError, Level, Target};

/// W2(law of x_T/alpha_T, N(0, (1 + sigma_T^2) I)): exact for Gaussians and in one dimension. Elsewhere the cost of a map between the laws, in an
/// interval that contains W2; where the target is too large for that, or no signal is left at `start`, the distance of the matched Gaussian.
pub fn initialization_distance(target: &Target, start: &Level) -> Result<InitializationDistance, CoreError> {
    let finite = start.log_snr().is_finite();
    if target.dim() == 1 && finite && !matches!(target, Target::Gaussian(_)) {
        let w2 = one_dimensional(&components(target), start.relative_sigma())?;
        return Ok(InitializationDistance { w2, kind: InitializationKind::Exact, interval: None });
    }
    let matched = target.matched_gaussian()?;
    let mean = matched.covariance().to_basis(matched.mean().to_vec());
    let distance = InitializationDistance::of_moments(&mean, &matched.covariance().eigenvalues(), start)?;
    if matches!(target, Target::Gaussian(_)) {
        return Ok(InitializationDistance { kind: InitializationKind::Exact, ..distance });
    }
    let squared = if finite { triangular_map::cost(target, start.relative_sigma())? } else { None };
    let Some(squared) = squared else { return Ok(distance) };
    let highest = squared.interval(CONFIDENCE).high.max(0.0).sqrt().max(distance.w2);
    Ok(InitializationDistance {
        w2: squared.mean.sqrt().clamp(distance.w2, highest),
        kind: InitializationKind::Coupling,
        interval: Some([distance.w2, highest]),
    })
}

fn one_dimensional(components: &[NormalComponent], sigma: f64) -> Result<f64, CoreError> {
    let prior_std = sigma.hypot(1.0);
    let noised: Vec<(f64, f64, f64)> = components
        .iter()
        .map(|component| (component.weight, component.mean, component.variance.sqrt().hypot(sigma)))
        .collect();
    let [squared] = standard_normal_expectation(|z| [(quantile(&noised, z) - prior_std * z).powi(2)])?;
    Ok(squared.sqrt())
}
