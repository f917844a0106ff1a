//! Exact statistics of one-dimensional targets by quadrature.
//!
//! Every integral is an expectation under q_t, a sum of Gaussians: E f(x) = sum_k w_k E f(alpha m_k + sqrt(S_k) z). The trapezoid rule on the
//! line converges geometrically for such integrands (Trefethen & Weideman 2014), so halving the step until nothing changes gives close to
//! full precision and its own error estimate.

use crate::targets::Conditional;
use crate::{CoreError, Level, Target};

/// The standard normal density beyond this is below 1e-21.
const REACH: f64 = 10.0;

/// Relative change at which halving stops: the error is then near its square.
const TOLERANCE: f64 = 1e-10;

/// Halvings from a step of 1/2 before giving up.
const MAX_HALVINGS: u32 = 14;

/// A Gaussian of a one-dimensional law: weight, mean, variance.
#[derive(Clone, Copy, Debug)]
pub(super) struct NormalComponent {
    pub(super) weight: f64,
    pub(super) mean: f64,
    pub(super) variance: f64,
}

impl NormalComponent {
    fn at(&self, level: &Level) -> (f64, f64) {
        (level.alpha() * self.mean, (level.alpha_bar() * self.variance + level.sigma().powi(2)).sqrt())
    }
}

/// The Gaussians of a target in one dimension.
pub(super) fn components(target: &Target) -> Vec<NormalComponent> {
    match target {
        Target::Gaussian(law) => {
            vec![NormalComponent {
                weight: 1.0,
                mean: law.mean()[0],
                variance: law.covariance().eigenvalue(0),
            }]
        }
        Target::Mixture(law) => law
            .components()
            .iter()
            .map(|c| NormalComponent {
                weight: c.weight,
                mean: c.law.mean()[0],
                variance: c.law.covariance().eigenvalue(0),
            })
            .collect(),
        Target::Empirical(law) => law
            .points()
            .map(|point| NormalComponent { weight: 1.0 / law.len() as f64, mean: point[0], variance: 0.0 })
            .collect(),
    }
}

/// E f(x_t), for several f at once.
pub(super) fn expectation<const N: usize>(
    components: &[NormalComponent],
    level: &Level,
    f: impl Fn(f64) -> [f64; N],
) -> Result<[f64; N], CoreError> {
    let mut total = [0.0; N];
    for component in components {
        let (centre, spread) = component.at(level);
        let value = standard_normal_expectation(|z| f(centre + spread * z))?;
        total.iter_mut().zip(value).for_each(|(sum, v)| *sum += component.weight * v);
    }
    Ok(total)
}

/// E f(z) for z ~ N(0, 1).
pub(super) fn standard_normal_expectation<const N: usize>(
    f: impl Fn(f64) -> [f64; N],
) -> Result<[f64; N], CoreError> {
    let weighted = |z: f64| {
        let density = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
        f(z).map(|value| if density == 0.0 { 0.0 } else { density * value })
    };
    let add = |sum: &mut [f64; N], z: f64| sum.iter_mut().zip(weighted(z)).for_each(|(s, v)| *s += v);
    let mut step = 0.5;
    let half = (REACH / step) as i64;
    let mut sum = [0.0; N];
    (-half..=half).for_each(|i| add(&mut sum, i as f64 * step));
    for _ in 0..MAX_HALVINGS {
        let before = sum.map(|s| s * step);
        let intervals = (2.0 * REACH / step) as i64;
        (0..intervals).for_each(|i| add(&mut sum, -REACH + (i as f64 + 0.5) * step));
        step *= 0.5;
        let after = sum.map(|s| s * step);
        if before.iter().zip(&after).all(|(b, a)| (b - a).abs() <= TOLERANCE * a.abs() + 1e-14) {
            return Ok(after);
        }
    }
    Err(CoreError::Unsupported(
        "one-dimensional quadrature did not converge: the target's components are too narrow for their distance".into(),
    ))
}

/// What the decomposition needs of one level: mmse_t and I(x_0; x_t).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LevelStatistics {
    /// E|x_0 - D*(x_t)|^2.
    pub(super) mmse: f64,
    /// I(x_0; x_t) in nats.
    pub(super) information: f64,
}

/// Statistics of a one-dimensional target at a level with noise.
pub(super) fn level_statistics(target: &Target, level: &Level) -> Result<LevelStatistics, CoreError> {
    if level.log_snr() == f64::NEG_INFINITY {
        let variance = target.at(&[0.0], level).variance;
        return Ok(LevelStatistics { mmse: variance, information: 0.0 });
    }
    let [mmse, log_density] = expectation(&components(target), level, |x| {
        let Conditional { log_density, variance, .. } = target.at(&[x], level);
        [variance, log_density]
    })?;
    let noise_entropy = 0.5 * (std::f64::consts::TAU * std::f64::consts::E).ln() + level.sigma().ln();
    Ok(LevelStatistics { mmse, information: -log_density - noise_entropy })
}

/// KL(q_T || N(0, prior)) in one dimension.
pub(super) fn initialization(target: &Target, start: &Level) -> Result<f64, CoreError> {
    let std = start.prior_std();
    let [divergence] = expectation(&components(target), start, |x| {
        let log_prior = -0.5 * (x / std).powi(2) - 0.5 * std::f64::consts::TAU.ln() - std.ln();
        [target.log_density(&[x], start) - log_prior]
    })?;
    Ok(divergence)
}
