//! Student's and Welch's intervals of means of independent values.

use super::confidence_interval::{Interval, check_confidence};
use super::mean_estimate::Estimate;
use crate::CoreError;

/// Student's interval of the mean of independent values, one an image.
pub fn t_interval(values: &[f64], confidence: f64) -> Result<Interval, CoreError> {
    check_confidence(confidence)?;
    Ok(Estimate::of(values.iter().copied())?.interval(confidence))
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
    check_confidence(confidence)?;
    let (a, b) = (Estimate::of(a.iter().copied())?, Estimate::of(b.iter().copied())?);
    Ok(a.minus_independent(&b).interval(confidence))
}

#[cfg(test)]
mod tests {
    use super::super::bootstrap::bootstrap_interval;
    use super::*;
    use crate::noise::{NoiseSource, Purpose};

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
