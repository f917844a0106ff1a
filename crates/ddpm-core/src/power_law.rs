//! Fits of a power law y = c x^p to measured points.
//!
//! ```text
//! log y = log c + p log x        weighted least squares, weight (y/stderr)^2, the inverse variance of log y; equal weights for exact values
//! stderr(p)^2 = s^2 / sum w (log x - mean)^2
//! ```
//!
//! s^2 is 1 for known errors and the points' scatter around the line otherwise, whichever is larger where both are known. For exact values the
//! standard error therefore measures how well a power law describes them: it comes from curvature, not from noise.

use crate::CoreError;
use serde::{Deserialize, Serialize};

/// A measured point of a power law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// What is varied; positive.
    pub x: f64,
    /// The quantity; positive.
    pub y: f64,
    /// Standard error of `y`, 0 when exact.
    pub stderr: f64,
}

/// A fitted power law.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PowerLaw {
    /// p.
    pub exponent: f64,
    /// Standard error of p.
    pub stderr: f64,
    /// c.
    pub factor: f64,
    /// p between the last two points alone: where the law is only reached in a limit, this is nearest to it.
    pub last_exponent: f64,
}

impl PowerLaw {
    /// Fits at least three points with distinct x, ordered towards the limit.
    pub fn fit(points: &[Point]) -> Result<Self, CoreError> {
        let count = points.len() as f64;
        CoreError::check("points of a power law", "at least 3", count, points.len() >= 3)?;
        for (index, point) in points.iter().enumerate() {
            for got in [point.x, point.y] {
                if !(got > 0.0 && got.is_finite()) {
                    let expected = "positive";
                    return Err(CoreError::Entry { name: "points of a power law", index, expected, got });
                }
            }
        }
        let noisy = points.iter().all(|point| point.stderr > 0.0);
        let weight = |point: &Point| if noisy { (point.y / point.stderr).powi(2) } else { 1.0 };
        let total: f64 = points.iter().map(weight).sum();
        let mean = |f: &dyn Fn(&Point) -> f64| points.iter().map(|p| weight(p) * f(p)).sum::<f64>() / total;
        let (mean_x, mean_y) = (mean(&|p| p.x.ln()), mean(&|p| p.y.ln()));
        let spread: f64 = points.iter().map(|p| weight(p) * (p.x.ln() - mean_x).powi(2)).sum();
        CoreError::check("spread of x in a power law", "positive", spread, spread > 0.0)?;
        let shared: f64 = points.iter().map(|p| weight(p) * (p.x.ln() - mean_x) * (p.y.ln() - mean_y)).sum();
        let exponent = shared / spread;
        let residual = |p: &Point| p.y.ln() - mean_y - exponent * (p.x.ln() - mean_x);
        let scatter = points.iter().map(|p| weight(p) * residual(p).powi(2)).sum::<f64>() / (count - 2.0);
        let variance = if noisy { scatter.max(1.0) } else { scatter };
        let [.., before, last] = points else {
            return Err(CoreError::Unsupported("a power law needs two points at its end".into()));
        };
        Ok(PowerLaw {
            exponent,
            stderr: (variance / spread).sqrt(),
            factor: (mean_y - exponent * mean_x).exp(),
            last_exponent: exponent_between((before.x, before.y), (last.x, last.y)),
        })
    }
}

/// The exponent of the power law through two points: the slope between them on logarithmic axes.
pub fn exponent_between(a: (f64, f64), b: (f64, f64)) -> f64 {
    (b.1 / a.1).ln() / (b.0 / a.0).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{NoiseSource, Purpose};

    fn exact(law: impl Fn(f64) -> f64) -> Vec<Point> {
        (0..6).map(|k| f64::from(10 << k)).map(|x| Point { x, y: law(x), stderr: 0.0 }).collect()
    }

    #[test]
    fn a_power_law_is_recovered_with_its_factor() {
        for (factor, exponent) in [(3.0, -1.0), (1e-9, 2.0), (0.7, -4.0), (5.0, 0.0)] {
            let law = PowerLaw::fit(&exact(|x: f64| factor * x.powf(exponent))).unwrap();
            assert!((law.exponent - exponent).abs() < 1e-12, "{law:?}");
            assert!((law.factor / factor - 1.0).abs() < 1e-10 && law.stderr < 1e-12, "{law:?}");
            assert!((law.last_exponent - exponent).abs() < 1e-12, "{law:?}");
        }
    }

    #[test]
    fn what_bends_has_an_error_and_its_end_is_nearer_to_the_limit() {
        // 1/x + 20/x^2: the order that shows is between 1 and 2 and falls to 1.
        let law = PowerLaw::fit(&exact(|x| 1.0 / x + 20.0 / (x * x))).unwrap();
        assert!(law.exponent < law.last_exponent && law.last_exponent < -1.0, "{law:?}");
        assert!(law.stderr > 0.01, "{law:?}");
    }

    #[test]
    fn the_error_of_noisy_points_covers_the_truth_and_weights_count() {
        let repetitions = 400;
        let covered = (0..repetitions).filter(|&seed| {
            let noise = NoiseSource::new(seed, Purpose::Evaluation).normal(0, 0, 8);
            let points: Vec<Point> = noise
                .into_iter()
                .enumerate()
                .map(|(k, z)| {
                    // The first points are ten times worse: unweighted they would decide.
                    let relative = if k < 4 { 0.1 } else { 0.01 };
                    let x = f64::from(8 << k);
                    let y = 2.0 / x;
                    Point { x, y: y * (1.0 + relative * z), stderr: y * relative }
                })
                .collect();
            let law = PowerLaw::fit(&points).unwrap();
            (law.exponent + 1.0).abs() < 1.96 * law.stderr
        });
        // At least 95 %: 380; the error is never taken smaller than the known one.
        let covered = covered.count();
        assert!((374..=400).contains(&covered), "{covered}");
    }

    #[test]
    fn what_has_no_logarithm_is_named() {
        let mut points = exact(|x| 1.0 / x);
        assert!(PowerLaw::fit(&points[..2]).unwrap_err().to_string().contains("at least 3"));
        points[4].y = 0.0;
        assert!(PowerLaw::fit(&points).unwrap_err().to_string().contains("points of a power law[4]"));
        let same = [Point { x: 2.0, y: 1.0, stderr: 0.0 }; 3];
        assert!(PowerLaw::fit(&same).unwrap_err().to_string().contains("spread of x"));
    }
}
