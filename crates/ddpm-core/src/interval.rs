//! Confidence intervals whose unit is the image.
//!
//! An image's errors at different levels share x_0 and are correlated, so whatever is summed over levels is summed within each image first;
//! the sums are independent. Treating levels as independent covers 81 % of the time instead of 95. The intervals hold neither quadrature
//! error nor the variance between training runs.

use crate::CoreError;
use crate::noise::{NoiseSource, Purpose};
use rand_distr::{Distribution, Uniform};
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// An estimate with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Mean, standard error and degrees of freedom of a statistic.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Summary {
    mean: f64,
    /// Variance of the mean.
    variance: f64,
    freedom: f64,
}

impl Summary {
    fn of(values: &[f64]) -> Result<Self, CoreError> {
        let n = values.len() as f64;
        CoreError::check("images for an interval", "at least 2", n, n >= 2.0)?;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Ok(Summary { mean, variance: squares / (n - 1.0) / n, freedom: n - 1.0 })
    }

    fn interval(&self, confidence: f64) -> Result<Interval, CoreError> {
        CoreError::check("confidence", "between 0 and 1", confidence, confidence > 0.0 && confidence < 1.0)?;
        let student = StudentsT::new(0.0, 1.0, self.freedom)
            .map_err(|error| CoreError::Unsupported(format!("Student's t: {error}")))?;
        let half = student.inverse_cdf(0.5 + 0.5 * confidence) * self.variance.sqrt();
        Ok(Interval { value: self.mean, low: self.mean - half, high: self.mean + half })
    }
}

/// Student's interval of the mean of independent values, one an image.
pub fn t_interval(values: &[f64], confidence: f64) -> Result<Interval, CoreError> {
    Summary::of(values)?.interval(confidence)
}

/// The interval of the mean of a - b where both were measured on the same images with the same noise (a model against a reference).
pub fn paired_interval(a: &[f64], b: &[f64], confidence: f64) -> Result<Interval, CoreError> {
    if a.len() != b.len() {
        return Err(CoreError::Dimension { what: "paired values".into(), expected: a.len(), got: b.len() });
    }
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    t_interval(&differences, confidence)
}

/// The interval of mean(a) - mean(b) for different images, with unequal variances (Welch 1947): held-out against training images.
pub fn welch_interval(a: &[f64], b: &[f64], confidence: f64) -> Result<Interval, CoreError> {
    let (a, b) = (Summary::of(a)?, Summary::of(b)?);
    let variance = a.variance + b.variance;
    let spread = a.variance * a.variance / a.freedom + b.variance * b.variance / b.freedom;
    let freedom = if spread > 0.0 { variance * variance / spread } else { a.freedom + b.freedom };
    Summary { mean: a.mean - b.mean, variance, freedom }.interval(confidence)
}

/// The percentile bootstrap over images, for statistics that are not means: `statistic` sees the indices of a resample (the images
/// themselves, in order, for the estimate).
pub fn bootstrap_interval(
    images: usize,
    statistic: impl Fn(&[usize]) -> f64,
    replicates: usize,
    seed: u64,
    confidence: f64,
) -> Result<Interval, CoreError> {
    CoreError::check("images for an interval", "at least 2", images as f64, images >= 2)?;
    CoreError::check("bootstrap replicates", "at least 20", replicates as f64, replicates >= 20)?;
    CoreError::check("confidence", "between 0 and 1", confidence, confidence > 0.0 && confidence < 1.0)?;
    let index =
        Uniform::new(0, images).map_err(|error| CoreError::Unsupported(format!("resampling: {error}")))?;
    let source = NoiseSource::new(seed, Purpose::Bootstrap);
    let mut resample: Vec<usize> = (0..images).collect();
    let value = statistic(&resample);
    let mut replicas: Vec<f64> = (0..replicates as u64)
        .map(|replicate| {
            let mut rng = source.rng(replicate, 0);
            resample.iter_mut().for_each(|slot| *slot = index.sample(&mut rng));
            statistic(&resample)
        })
        .collect();
    replicas.sort_by(f64::total_cmp);
    let tail = 0.5 * (1.0 - confidence);
    Ok(Interval { value, low: percentile(&replicas, tail), high: percentile(&replicas, 1.0 - tail) })
}

/// The value below which a share of sorted values lies, interpolated.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let (below, part) = (position.floor() as usize, position.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + part * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(seed: u64, n: usize, mean: f64, std: f64) -> Vec<f64> {
        NoiseSource::new(seed, Purpose::Evaluation)
            .normal(0, 0, n)
            .into_iter()
            .map(|z| mean + std * z)
            .collect()
    }

    #[test]
    fn a_t_interval_has_the_tabulated_width() {
        // n = 5: t_{0.975, 4} = 2.776445.
        let interval = t_interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95).unwrap();
        assert!((interval.value - 3.0).abs() < 1e-12);
        assert!((interval.high - 3.0 - 2.776_445 * (2.5f64 / 5.0).sqrt()).abs() < 1e-5);
        assert!(t_interval(&[1.0], 0.95).is_err() && t_interval(&[1.0, 2.0], 1.0).is_err());
        assert!(paired_interval(&[1.0, 2.0], &[1.0], 0.95).is_err());
    }

    #[test]
    fn welch_is_the_textbook_example() {
        // Scipy's ttest_ind(equal_var=False).confidence_interval(0.95) on the same numbers.
        let a = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4];
        let b = [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5, 31.3];
        let interval = welch_interval(&a, &b, 0.95).unwrap();
        assert!(
            (interval.low + 5.583_334_632).abs() < 1e-8 && (interval.high + 1.003_332_035).abs() < 1e-8,
            "{interval:?}"
        );
    }

    #[test]
    fn intervals_cover_in_their_share_of_repetitions() {
        let repetitions = 400;
        let (mut t, mut welch, mut bootstrap) = (0, 0, 0);
        for seed in 0..repetitions {
            let (a, b) = (normal(seed, 40, 0.7, 1.0), normal(seed + 10_000, 15, 0.2, 3.0));
            let covers =
                |interval: Interval, truth: f64| u32::from(interval.low < truth && truth < interval.high);
            t += covers(t_interval(&a, 0.95).unwrap(), 0.7);
            welch += covers(welch_interval(&a, &b, 0.95).unwrap(), 0.5);
            let mean = |indices: &[usize]| indices.iter().map(|&i| a[i]).sum::<f64>() / indices.len() as f64;
            bootstrap += covers(bootstrap_interval(40, mean, 400, seed, 0.95).unwrap(), 0.7);
        }
        // 380 expected; three standard deviations are 13. The percentile bootstrap is a little narrow at 40 images.
        assert!((367..=393).contains(&t) && (367..=393).contains(&welch), "{t} {welch}");
        assert!((355..=393).contains(&bootstrap), "{bootstrap}");
    }

    #[test]
    fn a_bootstrap_repeats_itself_and_keeps_the_estimate() {
        let values = normal(1, 30, 0.0, 1.0);
        let median = |indices: &[usize]| {
            let mut chosen: Vec<f64> = indices.iter().map(|&i| values[i]).collect();
            chosen.sort_by(f64::total_cmp);
            chosen[15]
        };
        let first = bootstrap_interval(30, median, 100, 7, 0.9).unwrap();
        assert_eq!(first, bootstrap_interval(30, median, 100, 7, 0.9).unwrap());
        assert_ne!(first, bootstrap_interval(30, median, 100, 8, 0.9).unwrap());
        assert!(first.low <= first.value && first.value <= first.high);
        assert!(bootstrap_interval(30, median, 5, 7, 0.9).is_err());
    }
}
