//! A curve of squared errors measured at some levels, as a function of the level.
//!
//! Between neighbouring measured levels m is a power of snr (a straight line in logarithms); next to an error of zero, which no power
//! reaches, snr m is linear in log snr; beyond the ends m stays. Either rule is homogeneous of degree one in the measured values,
//!
//! ```text
//! m(x) = sum_k w_k(x) m_k        w_k = dm(x)/dm_k
//! ```
//!
//! exactly (Euler), so that with the weights held fixed a sum over levels becomes a mean over images of sums within each image, and its
//! t-interval follows to first order in the statistical error.

use crate::{CoreError, Level};

/// A curve of squared errors known at some levels.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorCurve {
    /// Rising in log snr.
    points: Vec<Point>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    log_snr: f64,
    value: f64,
    /// Position among the given levels.
    index: usize,
}

impl ErrorCurve {
    /// From values, none negative, at levels with distinct log-SNR and some noise, in any order.
    pub fn new(levels: &[Level], values: &[f64]) -> Result<Self, CoreError> {
        if levels.is_empty() || levels.len() != values.len() {
            let what = "error curve".to_owned();
            return Err(CoreError::Dimension { what, expected: levels.len().max(1), got: values.len() });
        }
        for (index, (level, &value)) in levels.iter().zip(values).enumerate() {
            if !(value >= 0.0 && value.is_finite() && level.log_snr() < f64::INFINITY) {
                let expected = "not negative, at a level with noise";
                return Err(CoreError::Entry { name: "error curve", index, expected, got: value });
            }
        }
        let mut points: Vec<Point> = levels
            .iter()
            .zip(values)
            .enumerate()
            .map(|(index, (level, &value))| Point { log_snr: level.log_snr(), value, index })
            .collect();
        points.sort_by(|a, b| a.log_snr.total_cmp(&b.log_snr));
        Ok(ErrorCurve { points })
    }

    /// The value at a level.
    pub fn at(&self, level: &Level) -> f64 {
        self.weights(level).iter().map(|&(point, weight)| weight * self.points[point].value).sum()
    }

    /// Weights by measured level, in the order in which the levels were given: their product with the measured values is
    /// sum_j `weights[j]` m(`levels[j]`).
    pub fn sum_weights(&self, levels: &[Level], weights: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.points.len()];
        for (level, weight) in levels.iter().zip(weights) {
            for (point, share) in self.weights(level) {
                sums[self.points[point].index] += weight * share;
            }
        }
        sums
    }

    /// The points on both sides of a level and their weights in its value.
    fn weights(&self, level: &Level) -> [(usize, f64); 2] {
        let x = level.log_snr();
        let above = self.points.partition_point(|point| point.log_snr < x);
        let Some(right) = self.points.get(above) else { return [(above - 1, 1.0), (above - 1, 0.0)] };
        if above == 0 || right.log_snr == x {
            return [(above, 1.0), (above, 0.0)];
        }
        let left = &self.points[above - 1];
        if left.log_snr == f64::NEG_INFINITY {
            // Where hardly any signal is left the error is what it is without signal or at the next level: both are the data's variance.
            return [(above - 1, 0.0), (above, 1.0)];
        }
        let share = (x - left.log_snr) / (right.log_snr - left.log_snr);
        let (a, b) = if left.value > 0.0 && right.value > 0.0 {
            // m = left^(1 - share) right^share.
            let growth = (right.value / left.value).ln();
            ((1.0 - share) * (share * growth).exp(), share * (-(1.0 - share) * growth).exp())
        } else {
            ((1.0 - share) * (left.log_snr - x).exp(), share * (right.log_snr - x).exp())
        };
        [(above - 1, a), (above, b)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Time;
    use proptest::prelude::*;

    fn level(log_snr: f64) -> Level {
        Level::variance_preserving(log_snr, Time::Clean)
    }

    proptest! {
        #[test]
        fn a_curve_is_linear_in_its_values_with_the_derivatives_as_weights(
            values in proptest::collection::vec(0.01..5.0f64, 4), x in -5.0..5.0f64, k in 0usize..4
        ) {
            let levels: Vec<Level> = [-3.0, -1.0, 0.5, 4.0].map(level).to_vec();
            let at = |values: &[f64]| ErrorCurve::new(&levels, values).unwrap().at(&level(x));
            let weights = ErrorCurve::new(&levels, &values).unwrap().sum_weights(&[level(x)], &[1.0]);
            let sum: f64 = weights.iter().zip(&values).map(|(w, v)| w * v).sum();
            prop_assert!((sum / at(&values) - 1.0).abs() < 1e-12);
            let mut more = values.clone();
            more[k] += 1e-6;
            prop_assert!(((at(&more) - at(&values)) / 1e-6 - weights[k]).abs() < 1e-3);
        }
    }

    #[test]
    fn powers_are_exact_and_zeros_and_missing_signal_have_their_place() {
        let levels: Vec<Level> = [f64::NEG_INFINITY, -2.0, 1.0, 3.0, 5.0].map(level).to_vec();
        let curve = ErrorCurve::new(&levels, &[7.0, 2f64.exp(), (-1f64).exp(), 0.0, 0.0]).unwrap();
        let at = |x: f64| curve.at(&level(x));
        // m = 1/snr between the first two finite levels.
        assert!((at(-0.5) - 0.5f64.exp()).abs() < 1e-12);
        assert_eq!((at(f64::NEG_INFINITY), at(-9.0), at(4.0), at(9.0)), (7.0, 2f64.exp(), 0.0, 0.0));
        // snr m falls from 1 to 0 in a straight line.
        assert!((at(2.0) * 2f64.exp() - 0.5).abs() < 1e-12);
        assert!(ErrorCurve::new(&levels[1..2], &[-1.0]).is_err() && ErrorCurve::new(&[], &[]).is_err());
        assert!(ErrorCurve::new(&[Level::CLEAN], &[1.0]).is_err());
    }
}
