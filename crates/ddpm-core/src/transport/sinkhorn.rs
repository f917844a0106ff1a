//! The debiased entropic distance by Sinkhorn's iteration (Feydy et al. 2019).

use super::cloud::Cloud;
use crate::CoreError;

/// Settings of the Sinkhorn iteration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sinkhorn {
    /// Regularization, in units of squared distance.
    pub blur: f64,
    /// Most iterations.
    pub iterations: usize,
    /// Change of the potentials, in units of `blur`, at which the iteration ends.
    pub tolerance: f64,
}

impl Sinkhorn {
    /// With a blur chosen for data of unit scale.
    pub fn new(blur: f64) -> Self {
        Sinkhorn { blur, iterations: 2000, tolerance: 1e-3 }
    }

    /// The debiased entropic distance, an approximation of W2 that is 0 for equal samples. Memory and time per iteration are n m.
    pub fn w2(&self, a: &Cloud<'_>, b: &Cloud<'_>) -> Result<f64, CoreError> {
        a.same_dim(b)?;
        CoreError::check("blur", "positive", self.blur, self.blur > 0.0 && self.blur.is_finite())?;
        let cross = self.cost(a, b)?;
        let own = 0.5 * (self.cost(a, a)? + self.cost(b, b)?);
        Ok((cross - own).max(0.0).sqrt())
    }

    /// The dual value of the entropic problem between uniform measures.
    fn cost(&self, a: &Cloud<'_>, b: &Cloud<'_>) -> Result<f64, CoreError> {
        let squared = |x: &[f64], y: &[f64]| -> f64 { x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum() };
        let costs: Vec<f64> = a.points().flat_map(|x| b.points().map(move |y| squared(x, y))).collect();
        let (n, m) = (a.len(), b.len());
        let mut f = vec![0.0; n];
        let mut g = vec![0.0; m];
        // From the largest cost down: each blur starts from the potentials of a larger one, which saves most iterations.
        let mut blur = costs.iter().copied().fold(self.blur, f64::max);
        for iteration in 0..self.iterations {
            let mut change: f64 = 0.0;
            for (i, potential) in f.iter_mut().enumerate() {
                let new = soft_min(blur, (0..m).map(|j| costs[i * m + j] - g[j]));
                change = change.max((new - *potential).abs());
                *potential = new;
            }
            for (j, potential) in g.iter_mut().enumerate() {
                *potential = soft_min(blur, (0..n).map(|i| costs[i * m + j] - f[i]));
            }
            if blur > self.blur {
                if iteration % 4 == 3 {
                    blur = (0.5 * blur).max(self.blur);
                }
            } else if change < self.tolerance * self.blur {
                let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
                return Ok(mean(&f) + mean(&g));
            }
        }
        Err(CoreError::Unsupported(format!(
            "the Sinkhorn iteration did not converge in {} iterations; use a larger blur than {}",
            self.iterations, self.blur
        )))
    }
}

/// -blur log mean exp(-x/blur).
fn soft_min(blur: f64, values: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let count = values.len() as f64;
    let least = values.clone().fold(f64::INFINITY, f64::min);
    let sum: f64 = values.map(|value| ((least - value) / blur).exp()).sum();
    least - blur * (sum / count).ln()
}

#[cfg(test)]
mod tests {
    use super::super::sliced::{sliced_w2, w2_line};
    use super::*;
    use crate::noise::{NoiseSource, Purpose};

    fn normal(seed: u64, n: usize, dim: usize, shift: f64, scale: f64) -> Vec<f64> {
        let source = NoiseSource::new(seed, Purpose::Evaluation);
        source.normal(0, 0, n * dim).into_iter().map(|z| shift + scale * z).collect()
    }

    #[test]
    fn on_the_line_quantiles_are_coupled() {
        assert_eq!(w2_line(&[3.0, 1.0], &[2.0, 0.0]).unwrap(), 1.0);
        // Unequal sizes: {0, 1} against {0, 0, 1, 1, 1, 1}: a third of the mass moves... from 0 to 1, a sixth of all.
        let w2 = w2_line(&[0.0, 1.0], &[0.0, 0.0, 1.0, 1.0, 1.0, 1.0]).unwrap();
        assert!((w2 - (1.0f64 / 6.0).sqrt()).abs() < 1e-12);
        // Gaussians: sqrt((m - m')^2 + (s - s')^2).
        let (a, b) = (normal(1, 40_000, 1, 0.5, 1.0), normal(2, 30_000, 1, -0.3, 0.4));
        assert!((w2_line(&a, &b).unwrap() - 1.0).abs() < 0.02);
        assert!(w2_line(&[], &a).is_err() && w2_line(&[f64::NAN], &a).is_err());
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

    #[test]
    fn sinkhorn_is_zero_on_equal_samples_and_near_w2_on_shifted_ones() {
        let a = normal(4, 120, 2, 0.0, 1.0);
        let b: Vec<f64> = a.iter().map(|x| x + 0.6).collect();
        let (a, b) = (Cloud::new(2, &a).unwrap(), Cloud::new(2, &b).unwrap());
        let sinkhorn = Sinkhorn::new(0.1);
        assert_eq!(sinkhorn.w2(&a, &a).unwrap(), 0.0);
        // A pure shift is transported by itself: W2 = 0.6 sqrt 2, and debiasing keeps it.
        let w2 = sinkhorn.w2(&a, &b).unwrap();
        assert!((w2 - 0.6 * 2f64.sqrt()).abs() < 0.01, "{w2}");
        let stuck = Sinkhorn { iterations: 1, ..sinkhorn };
        assert!(stuck.w2(&a, &b).unwrap_err().to_string().contains("larger blur"));
        assert!(Sinkhorn::new(0.0).w2(&a, &b).is_err());
    }
}
