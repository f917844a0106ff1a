//! W2 on the line by coupled quantiles, and its average over projections.

use super::cloud::Cloud;
use crate::CoreError;
use crate::noise::{NoiseSource, Purpose};

/// W2 between two samples on the line.
pub fn w2_line(a: &[f64], b: &[f64]) -> Result<f64, CoreError> {
    Cloud::new(1, a)?;
    Cloud::new(1, b)?;
    Ok(line_squared(a.to_vec(), b.to_vec()).sqrt())
}

/// W2^2 by coupling quantiles: both quantile functions are steps, so the integral is a sum over the merged steps.
fn line_squared(mut a: Vec<f64>, mut b: Vec<f64>) -> f64 {
    a.sort_by(f64::total_cmp);
    b.sort_by(f64::total_cmp);
    // Positions in units of 1/(n m) are exact integers.
    let (n, m) = (a.len(), b.len());
    let (mut i, mut j, mut done, mut sum) = (0, 0, 0, 0.0);
    while i < n && j < m {
        let end = ((i + 1) * m).min((j + 1) * n);
        sum += (end - done) as f64 * (a[i] - b[j]).powi(2);
        done = end;
        i += usize::from(end == (i + 1) * m);
        j += usize::from(end == (j + 1) * n);
    }
    sum / (n as f64 * m as f64)
}

/// Sliced W2 over `directions` random directions drawn from `seed`.
pub fn sliced_w2(a: &Cloud<'_>, b: &Cloud<'_>, directions: usize, seed: u64) -> Result<f64, CoreError> {
    a.same_dim(b)?;
    CoreError::check("directions", "at least 1", directions as f64, directions > 0)?;
    let source = NoiseSource::new(seed, Purpose::Projection);
    let total: f64 = (0..directions as u64)
        .map(|k| {
            let direction = source.normal(k, 0, a.dim);
            let norm = direction.iter().map(|u| u * u).sum::<f64>().sqrt();
            let project = |cloud: &Cloud<'_>| -> Vec<f64> {
                let dot = |x: &[f64]| x.iter().zip(&direction).map(|(x, u)| x * u).sum::<f64>() / norm;
                cloud.points().map(dot).collect()
            };
            line_squared(project(a), project(b))
        })
        .sum();
    Ok((total / directions as f64).sqrt())
}
