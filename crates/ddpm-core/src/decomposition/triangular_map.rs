//! The cost of an exact transport map from a sampler's start to the noised data, in any dimension: no less than W2, and equal to it to first
//! order at high noise.
//!
//! The map is triangular (Rosenblatt 1952; Knothe 1957): x_1 is the quantile of its law at the mass below z_1, x_2 that of its law given x_1 at
//! the mass below z_2, and so on. For a mixture of Gaussians every conditional law is a mixture in one dimension, whose weights are those of the
//! components given the coordinates so far. The coordinates are the principal axes of the data, in which the map of a Gaussian is the best one.

use super::quantile::quantile;
use crate::interval::Estimate;
use crate::noise::{NoiseSource, Purpose};
use crate::{CoreError, Target};
use nalgebra::{DMatrix, DVector};

/// Most evaluations of a component's distribution function, some 2 s of one core.
const EVALUATIONS: f64 = 4e7;
/// Evaluations of every component for a quantile.
const FOR_A_QUANTILE: f64 = 80.0;
/// Draws beyond which more are not worth their time: a decomposition has this distance beside its terms, and many are made for one page.
const MOST_DRAWS: f64 = 4_000.0;
/// With fewer draws the cost is too uncertain to be printed.
const FEWEST_DRAWS: f64 = 200.0;
const SEED: u64 = 0;

/// A component of the noised law x_0 + sigma eps in the principal axes.
struct Noised {
    log_weight: f64,
    mean: DVector<f64>,
    /// Cholesky factor of the covariance.
    factor: DMatrix<f64>,
}

/// E|x - s z|^2 over the map from s z, s^2 = 1 + sigma^2, to the law of x_0 + sigma eps. None where the target is too large for enough draws.
pub(super) fn cost(target: &Target, sigma: f64) -> Result<Option<Estimate>, CoreError> {
    let dim = target.dim();
    let count = match target {
        Target::Gaussian(_) => 1,
        Target::Mixture(law) => law.components().len(),
        Target::Empirical(law) => law.len(),
    };
    let draws = (EVALUATIONS / (dim as f64 * count as f64 * (FOR_A_QUANTILE + dim as f64))).min(MOST_DRAWS);
    if draws < FEWEST_DRAWS {
        return Ok(None);
    }
    let components = noised(target, sigma)?;
    let prior_std = sigma.hypot(1.0);
    let source = NoiseSource::new(SEED, Purpose::Target);
    let costs: Vec<f64> = (0..draws as u64)
        .map(|draw| {
            let z = source.normal(draw, 0, dim);
            let x = transported(&components, &z);
            x.iter().zip(&z).map(|(x, z)| (x - prior_std * z).powi(2)).sum()
        })
        .collect();
    Ok(Some(Estimate::of(costs.iter().copied())?))
}

fn noised(target: &Target, sigma: f64) -> Result<Vec<Noised>, CoreError> {
    let matched = target.matched_gaussian()?;
    let axes = matched.covariance();
    let dim = target.dim();
    // Row i of the basis: what coordinate i is of each component.
    let basis = DMatrix::from_columns(
        &(0..dim)
            .map(|j| {
                let unit = (0..dim).map(|i| f64::from(u8::from(i == j))).collect();
                DVector::from_vec(axes.to_basis(unit))
            })
            .collect::<Vec<_>>(),
    );
    let component = |weight: f64, mean: &[f64], covariance: DMatrix<f64>| {
        let mut covariance = &basis * covariance * basis.transpose();
        for i in 0..dim {
            covariance[(i, i)] += sigma * sigma;
        }
        let factor = covariance.cholesky().ok_or_else(|| {
            CoreError::Unsupported("the noised covariance of a component is not positive definite".into())
        })?;
        let mean = DVector::from_vec(axes.to_basis(mean.to_vec()));
        Ok(Noised { log_weight: weight.ln(), mean, factor: factor.l() })
    };
    match target {
        Target::Gaussian(law) => Ok(vec![component(1.0, law.mean(), law.covariance().map(|l| l))?]),
        Target::Mixture(law) => law
            .components()
            .iter()
            .map(|c| component(c.weight, c.law.mean(), c.law.covariance().map(|l| l)))
            .collect(),
        Target::Empirical(law) => {
            let weight = 1.0 / law.len() as f64;
            law.points().map(|point| component(weight, point, DMatrix::zeros(dim, dim))).collect()
        }
    }
}

/// The point to which the map takes z ~ N(0, I).
fn transported(components: &[Noised], z: &[f64]) -> Vec<f64> {
    let mut log_weights: Vec<f64> = components.iter().map(|component| component.log_weight).collect();
    // Coordinates of x so far, whitened by each component.
    let mut whitened: Vec<Vec<f64>> = vec![Vec::with_capacity(z.len()); components.len()];
    let mut x = Vec::with_capacity(z.len());
    for (i, &z) in z.iter().enumerate() {
        let most = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = log_weights.iter().map(|log| (log - most).exp()).sum();
        let conditional: Vec<(f64, f64, f64)> = components
            .iter()
            .zip(&whitened)
            .zip(&log_weights)
            .map(|((component, whitened), log)| {
                let shift: f64 = whitened.iter().enumerate().map(|(j, u)| component.factor[(i, j)] * u).sum();
                ((log - most).exp() / sum, component.mean[i] + shift, component.factor[(i, i)])
            })
            .collect();
        let value = quantile(&conditional, z);
        for (((_, mean, std), whitened), log) in conditional.iter().zip(&mut whitened).zip(&mut log_weights) {
            let u = (value - mean) / std;
            *log -= 0.5 * u * u + std.ln();
            whitened.push(u);
        }
        x.push(value);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TargetSpec;

    fn target(text: &str) -> Target {
        serde_json::from_str::<TargetSpec>(text).unwrap().build().unwrap()
    }

    /// The transported points have the law of x_0 + sigma eps: its mean, covariance and third moment.
    #[test]
    fn the_map_arrives_at_the_noised_law() {
        let plane =
            target(r#"{"kind":"mixture","weights":[0.3,0.7],"means":[[-1.5,0.5],[1,0]],"stds":[0.25,0.4]}"#);
        let sigma = 0.5;
        let components = noised(&plane, sigma).unwrap();
        let source = NoiseSource::new(3, Purpose::Target);
        let noise = NoiseSource::new(3, Purpose::Evaluation);
        let axes = plane.matched_gaussian().unwrap();
        let n = 40_000;
        let level = crate::Level::variance_exploding(-2.0 * f64::ln(sigma), crate::Time::Clean);
        // E log q(x) under both: equal where the laws are.
        let log_density = |x: &[f64]| plane.log_density(x, &level);
        let (mut mapped, mut drawn) = (Vec::new(), Vec::new());
        for draw in 0..n {
            let x = axes.covariance().from_basis(transported(&components, &source.normal(draw, 0, 2)));
            mapped.push([x[0], x[1], x[0] * x[0], x[0] * x[1], x[0].powi(3), log_density(&x)]);
            let eps = noise.normal(draw, 0, 2);
            let x: Vec<f64> =
                plane.sample(&source, draw).iter().zip(&eps).map(|(x, e)| x + sigma * e).collect();
            drawn.push([x[0], x[1], x[0] * x[0], x[0] * x[1], x[0].powi(3), log_density(&x)]);
        }
        for moment in 0..6 {
            let of = |points: &[[f64; 6]]| Estimate::of(points.iter().map(|p| p[moment])).unwrap();
            let (a, b) = (of(&mapped), of(&drawn));
            let tolerance = 4.0 * a.stderr.hypot(b.stderr);
            assert!((a.mean - b.mean).abs() < tolerance, "{moment}: {} {}", a.mean, b.mean);
        }
    }

    #[test]
    fn the_cost_of_a_gaussian_is_its_distance_and_large_targets_are_left() {
        let law = target(r#"{"kind":"gaussian","mean":[0.4,-0.2],"var":[0.3,2.0]}"#);
        let squared = cost(&law, 1.5).unwrap().unwrap();
        let exact: f64 = [(0.4f64, 0.3f64), (-0.2, 2.0)]
            .iter()
            .map(|(m, l)| m * m + ((l + 2.25).sqrt() - 3.25f64.sqrt()).powi(2))
            .sum();
        assert!((squared.mean - exact).abs() < 4.0 * squared.stderr, "{squared:?} {exact}");
        let points = crate::targets::Empirical::new(500, vec![0.5; 500 * 500]).unwrap();
        assert!(cost(&Target::Empirical(points), 1.0).unwrap().is_none());
    }
}
