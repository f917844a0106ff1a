//! The image bootstrap, for statistics that are not means.

use super::confidence_interval::{Interval, check_confidence};
use crate::CoreError;
use crate::noise::{NoiseSource, Purpose};
use rand_distr::{Distribution, Uniform};

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
    check_confidence(confidence)?;
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
