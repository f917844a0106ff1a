//! Means of independent units with their standard errors and Student's t-intervals, and Welch's interval of a difference of means.

use super::confidence_interval::Interval;
use crate::CoreError;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// A mean over `n` independent units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error, s / sqrt(n) with s^2 the unbiased variance.
    pub stderr: f64,
    /// Number of units.
    pub n: usize,
}

impl Estimate {
    /// The mean of a sample; an error with fewer than two values, whose spread is unknown.
    pub fn of(values: impl ExactSizeIterator<Item = f64> + Clone) -> Result<Self, CoreError> {
        let n = values.len();
        CoreError::check("images for a confidence interval", "at least 2", n as f64, n >= 2)?;
        let mean = values.clone().sum::<f64>() / n as f64;
        let variance = values.map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
        Ok(Estimate { mean, stderr: (variance / n as f64).sqrt(), n })
    }

    /// Student's t-interval of the mean.
    pub fn interval(&self, confidence: f64) -> Interval {
        Interval::around(self.mean, half_width(self.stderr, self.n as f64 - 1.0, confidence))
    }

    /// This mean minus that of an independent sample (Welch 1947).
    pub fn minus_independent(&self, other: &Estimate) -> Difference {
        let (a, b) = (self.stderr.powi(2), other.stderr.powi(2));
        let spread = a * a / (self.n as f64 - 1.0) + b * b / (other.n as f64 - 1.0);
        let degrees_of_freedom =
            if spread > 0.0 { (a + b).powi(2) / spread } else { (self.n + other.n) as f64 - 2.0 };
        Difference { mean: self.mean - other.mean, stderr: (a + b).sqrt(), degrees_of_freedom }
    }
}

/// A difference of two means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The difference.
    pub mean: f64,
    /// Its standard error.
    pub stderr: f64,
    /// Degrees of freedom of its t-interval (Satterthwaite's approximation).
    pub degrees_of_freedom: f64,
}

impl Difference {
    /// Student's t-interval of the difference.
    pub fn interval(&self, confidence: f64) -> Interval {
        Interval::around(self.mean, half_width(self.stderr, self.degrees_of_freedom, confidence))
    }
}

fn half_width(stderr: f64, degrees_of_freedom: f64, confidence: f64) -> f64 {
    // One unit has no degree of freedom: the interval is infinite.
    StudentsT::new(0.0, 1.0, degrees_of_freedom)
        .map_or(f64::INFINITY, |law| stderr * law.inverse_cdf(0.5 * (1.0 + confidence)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{NoiseSource, Purpose};

    fn of(values: &[f64]) -> Estimate {
        Estimate::of(values.iter().copied()).unwrap()
    }

    fn normal(seed: u64, n: usize, mean: f64, std: f64) -> Vec<f64> {
        let normals = NoiseSource::new(seed, Purpose::Evaluation).normal(0, 0, n);
        normals.into_iter().map(|z| mean + std * z).collect()
    }

    #[test]
    fn intervals_use_students_quantiles() {
        // Quantiles of t at 0.975 from printed tables: 4.3027 for 2, 2.0452 for 29 degrees of freedom.
        let three = Estimate::of([1.0, 2.0, 6.0].into_iter()).unwrap();
        let interval = three.interval(0.95);
        assert!((three.mean - 3.0).abs() < 1e-15 && (three.stderr - (7.0f64 / 3.0).sqrt()).abs() < 1e-15);
        assert!((interval.high - 3.0 - 4.302_652_7 * three.stderr).abs() < 1e-6);
        assert!((interval.high + interval.low - 6.0).abs() < 1e-12 && interval.value == three.mean);
        let thirty = Estimate { mean: 0.0, stderr: 1.0, n: 30 };
        assert!((thirty.interval(0.95).high - 2.045_229_6).abs() < 1e-6);
        assert!(Estimate::of([1.0].into_iter()).is_err());
    }

    #[test]
    fn welch_reduces_to_students_two_sample_test_for_equal_spreads() {
        let a = Estimate { mean: 5.0, stderr: 0.3, n: 12 };
        let b = Estimate { mean: 4.0, stderr: 0.3, n: 12 };
        let difference = a.minus_independent(&b);
        assert!((difference.degrees_of_freedom - 22.0).abs() < 1e-12);
        assert!((difference.stderr - 0.3 * 2f64.sqrt()).abs() < 1e-15 && difference.mean == 1.0);
        let exact = Estimate { stderr: 0.0, ..b };
        assert!((a.minus_independent(&exact).degrees_of_freedom - 11.0).abs() < 1e-12);
        assert_eq!(exact.minus_independent(&exact).interval(0.95), Interval::around(0.0, 0.0));
    }

    #[test]
    fn a_t_interval_has_the_tabulated_width() {
        // n = 5: t_{0.975, 4} = 2.776445.
        let interval = of(&[1.0, 2.0, 3.0, 4.0, 5.0]).interval(0.95);
        assert!((interval.value - 3.0).abs() < 1e-12);
        assert!((interval.high - 3.0 - 2.776_445 * (2.5f64 / 5.0).sqrt()).abs() < 1e-5);
    }

    #[test]
    fn welch_is_the_textbook_example() {
        // Scipy's ttest_ind(equal_var=False).confidence_interval(0.95) on the same numbers.
        let a = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4];
        let b = [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5, 31.3];
        let interval = of(&a).minus_independent(&of(&b)).interval(0.95);
        assert!(
            (interval.low + 5.583_334_632).abs() < 1e-8 && (interval.high + 1.003_332_035).abs() < 1e-8,
            "{interval:?}"
        );
    }

    #[test]
    fn intervals_cover_in_their_share_of_repetitions() {
        let (mut t, mut welch) = (0, 0);
        for seed in 0..400 {
            let (a, b) = (normal(seed, 40, 0.7, 1.0), normal(seed + 10_000, 15, 0.2, 3.0));
            let covers =
                |interval: Interval, truth: f64| u32::from(interval.low < truth && truth < interval.high);
            t += covers(of(&a).interval(0.95), 0.7);
            welch += covers(of(&a).minus_independent(&of(&b)).interval(0.95), 0.5);
        }
        // 380 expected; three standard deviations are 13.
        assert!((367..=393).contains(&t) && (367..=393).contains(&welch), "{t} {welch}");
    }
}
