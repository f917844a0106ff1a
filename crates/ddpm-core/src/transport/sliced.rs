//! W2 on the line by coupled quantiles, and its average over projections.

use super::cloud::Cloud;
use crate::CoreError;
use crate::noise::{NoiseSource, Purpose};

/// W2^2 by coupling quantiles: both quantile functions are steps, so the integral is a sum over the merged steps.
pub(super) fn line_squared(mut a: Vec<f64>, mut b: Vec<f64>) -> f64 {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(seed: u64, n: usize, dim: usize, shift: f64, scale: f64) -> Vec<f64> {
        let source = NoiseSource::new(seed, Purpose::Evaluation);
        source.normal(0, 0, n * dim).into_iter().map(|z| shift + scale * z).collect()
    }

    fn w2_line(a: &[f64], b: &[f64]) -> f64 {
        line_squared(a.to_vec(), b.to_vec()).sqrt()
    }

    #[test]
    fn on_the_line_quantiles_are_coupled() {
        assert_eq!(w2_line(&[3.0, 1.0], &[2.0, 0.0]), 1.0);
        // Unequal sizes: {0, 1} against {0, 0, 1, 1, 1, 1}: a sixth of the mass moves from 0 to 1.
        let w2 = w2_line(&[0.0, 1.0], &[0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
        assert!((w2 - (1.0f64 / 6.0).sqrt()).abs() < 1e-12);
        // Gaussians: sqrt((m - m')^2 + (s - s')^2).
        let (a, b) = (normal(1, 40_000, 1, 0.5, 1.0), normal(2, 30_000, 1, -0.3, 0.4));
        assert!((w2_line(&a, &b) - 1.0).abs() < 0.02);
        assert!(Cloud::new(1, &[]).is_err() && Cloud::new(1, &[f64::NAN]).is_err());
    }

    #[test]
    fn slices_of_a_shift_are_its_projections() {
        let a = normal(3, 500, 4, 0.0, 1.0);
        let b: Vec<f64> = a.iter().map(|x| x + 0.7).collect();
        let (a, b) = (Cloud::new(4, &a).unwrap(), Cloud::new(4, &b).unwrap());
        // A shift by (.7, .7, .7, .7) has length 1.4, and 1.4/sqrt(4) on average.
        let sliced = sliced_w2(&a, &b, 4000, 0).unwrap();
        assert!((sliced - 0.7).abs() < 0.02, "{sliced}");
        assert_eq!(sliced_w2(&a, &a, 10, 0).unwrap(), 0.0);
        assert!(sliced_w2(&a, &Cloud::new(1, &[0.0]).unwrap(), 10, 0).is_err());
    }
}
