//! W2 between two samples by their projections, with a bootstrap interval.
//!
//! ```text
//! W2^2 >= d * mean over directions u of W2^2(x.u, y.u)        equal in one dimension, and for shifts in any (Bonneel et al. 2015)
//! ```
//!
//! because a coupling of x and y couples their projections, and E (u.v)^2 = |v|^2/d. The distance of this module is the root of the right
//! side. It has the unit of W2 in every dimension.
//!
//! The distance of two finite samples exceeds that of their laws. Samples of one law have a positive distance, the noise floor. Resampling adds
//! the same excess to W2^2 once more, which gives an estimate of it. The interval consists of the quantiles of the resampled squares less twice
//! the excess. It reaches 0 where the distance cannot be distinguished from the noise floor. Elsewhere its coverage is the nominal one to a few
//! per cent.

use super::cloud::Cloud;
use crate::CoreError;
use crate::noise::{NoiseSource, Purpose};
use rand_distr::{Distribution, StandardUniform};
use serde::{Deserialize, Serialize};

/// The projections of two clouds on common directions, sorted.
#[derive(Clone, Debug)]
pub struct Coupling {
    lines: Vec<Line>,
    dim: usize,
    sizes: [usize; 2],
}

/// Both clouds on one line: coordinates in rising order, each with the index of its point.
#[derive(Clone, Debug)]
struct Line {
    clouds: [Vec<(f64, u32)>; 2],
}

/// Settings of a bootstrap interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// Number of resampled pairs of clouds.
    pub resamples: usize,
    /// Nominal coverage of the interval.
    pub confidence: f64,
    /// Seed of the resampling.
    pub seed: u64,
}

/// A distance between samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleDistance {
    /// The distance between the clouds. It exceeds that of their laws by about the noise floor.
    pub w2: f64,
    /// Standard deviation of the distance over resampled clouds.
    pub stderr: f64,
    /// Bootstrap interval of the distance between the laws, `[low, high]`.
    pub interval: [f64; 2],
}

impl Coupling {
    /// Projects both clouds on `directions` random directions drawn from `seed`. In one dimension there is one fixed direction.
    pub fn new(a: &Cloud<'_>, b: &Cloud<'_>, directions: usize, seed: u64) -> Result<Self, CoreError> {
        a.same_dim(b)?;
        CoreError::check("directions", "at least 1", directions as f64, directions > 0)?;
        let source = NoiseSource::new(seed, Purpose::Projection);
        let count = if a.dim == 1 { 1 } else { directions };
        let line = |k: u64| {
            let direction = if a.dim == 1 { vec![1.0] } else { unit(source.normal(k, 0, a.dim)) };
            Line { clouds: [sorted(a, &direction), sorted(b, &direction)] }
        };
        Ok(Coupling { lines: (0..count as u64).map(line).collect(), dim: a.dim, sizes: [a.len(), b.len()] })
    }

    /// The distance between the clouds.
    pub fn w2(&self) -> f64 {
        let ones = self.sizes.map(|size| vec![1; size]);
        self.squared(&ones).sqrt()
    }

    /// The distance with its standard error and its bootstrap interval.
    ///
    /// # Errors
    /// Where `resamples` is below 2 or `confidence` is not between 0 and 1.
    pub fn distance(&self, bootstrap: &Bootstrap) -> Result<SampleDistance, CoreError> {
        let Bootstrap { resamples, confidence, seed } = *bootstrap;
        CoreError::check("resamples", "at least 2", resamples as f64, resamples >= 2)?;
        let open = confidence > 0.0 && confidence < 1.0;
        CoreError::check("confidence", "between 0 and 1", confidence, open)?;
        let source = NoiseSource::new(seed, Purpose::Bootstrap);
        let mut squares: Vec<f64> = (0..resamples as u64)
            .map(|k| {
                let [a, b] = self.sizes;
                self.squared(&[multiplicities(&source, k, 0, a), multiplicities(&source, k, 1, b)])
            })
            .collect();
        squares.sort_by(f64::total_cmp);
        let square = self.w2().powi(2);
        let excess = (squares.iter().sum::<f64>() / resamples as f64 - square).max(0.0);
        let quantile = |p: f64| squares[((resamples - 1) as f64 * p).round() as usize];
        let end = |p: f64| (quantile(p) - 2.0 * excess).max(0.0).sqrt();
        let tail = 0.5 * (1.0 - confidence);
        let mean = squares.iter().map(|s| s.sqrt()).sum::<f64>() / resamples as f64;
        let spread = squares.iter().map(|s| (s.sqrt() - mean).powi(2)).sum::<f64>();
        Ok(SampleDistance {
            w2: square.sqrt(),
            stderr: (spread / (resamples - 1) as f64).sqrt(),
            interval: [end(tail), end(1.0 - tail)],
        })
    }

    /// The squared distance with the multiplicity of each point of each cloud.
    fn squared(&self, multiplicities: &[Vec<u32>; 2]) -> f64 {
        let mean =
            self.lines.iter().map(|line| line.squared(multiplicities)).sum::<f64>() / self.lines.len() as f64;
        self.dim as f64 * mean
    }
}

impl Line {
    /// W2^2 by coupling equal quantiles of the two lists. The multiplicities of a list sum to its length.
    fn squared(&self, multiplicities: &[Vec<u32>; 2]) -> f64 {
        let [a, b] = &self.clouds;
        let (n, m) = (a.len() as u64, b.len() as u64);
        // In units of 1/(n m) all masses are whole numbers.
        let mass = |cloud: usize, at: usize| {
            let (list, unit) = if cloud == 0 { (a, m) } else { (b, n) };
            list.get(at).map_or(0, |(_, point)| u64::from(multiplicities[cloud][*point as usize]) * unit)
        };
        let (mut i, mut j, mut sum) = (0, 0, 0.0);
        let (mut left_a, mut left_b) = (mass(0, 0), mass(1, 0));
        while i < a.len() && j < b.len() {
            let moved = left_a.min(left_b);
            sum += moved as f64 * (a[i].0 - b[j].0).powi(2);
            left_a -= moved;
            left_b -= moved;
            if left_a == 0 {
                i += 1;
                left_a = mass(0, i);
            }
            if left_b == 0 {
                j += 1;
                left_b = mass(1, j);
            }
        }
        sum / (n as f64 * m as f64)
    }
}

/// How often each of `n` points is drawn in `n` draws with replacement.
fn multiplicities(source: &NoiseSource, resample: u64, cloud: u64, n: usize) -> Vec<u32> {
    let mut rng = source.rng(resample, cloud);
    let mut counts = vec![0; n];
    for _ in 0..n {
        let uniform: f64 = StandardUniform.sample(&mut rng);
        counts[((uniform * n as f64) as usize).min(n - 1)] += 1;
    }
    counts
}

fn sorted(cloud: &Cloud<'_>, direction: &[f64]) -> Vec<(f64, u32)> {
    let dot = |x: &[f64]| x.iter().zip(direction).map(|(x, u)| x * u).sum::<f64>();
    let mut line: Vec<(f64, u32)> = cloud.points().map(dot).zip(0..).collect();
    line.sort_by(|a, b| a.0.total_cmp(&b.0));
    line
}

fn unit(direction: Vec<f64>) -> Vec<f64> {
    let norm = direction.iter().map(|u| u * u).sum::<f64>().sqrt();
    direction.into_iter().map(|u| u / norm).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sliced::{line_squared, sliced_w2};
    use super::*;

    fn normal(seed: u64, n: usize, dim: usize, shift: f64) -> Vec<f64> {
        let source = NoiseSource::new(seed, Purpose::Evaluation);
        source.normal(0, 0, n * dim).into_iter().map(|z| shift + z).collect()
    }

    const BOOTSTRAP: Bootstrap = Bootstrap { resamples: 100, confidence: 0.95, seed: 1 };

    #[test]
    fn distances_are_those_of_sorted_samples() {
        let (a, b) = (normal(1, 70, 1, 0.0), normal(2, 45, 1, 0.4));
        let coupling = Coupling::new(&Cloud::new(1, &a).unwrap(), &Cloud::new(1, &b).unwrap(), 9, 0).unwrap();
        assert!((coupling.w2() - line_squared(a, b).sqrt()).abs() < 1e-12);
        let (a, b) = (normal(3, 60, 3, 0.0), normal(4, 60, 3, 0.4));
        let (a, b) = (Cloud::new(3, &a).unwrap(), Cloud::new(3, &b).unwrap());
        let coupling = Coupling::new(&a, &b, 50, 7).unwrap();
        assert!((coupling.w2() - 3f64.sqrt() * sliced_w2(&a, &b, 50, 7).unwrap()).abs() < 1e-12);
    }

    #[test]
    fn a_multiplicity_of_two_equals_a_repeated_point() {
        let (a, b) = ([0.0, 1.0, 5.0], [2.0, 3.0, 4.0]);
        let coupling = Coupling::new(&Cloud::new(1, &a).unwrap(), &Cloud::new(1, &b).unwrap(), 1, 0).unwrap();
        let expected = line_squared(vec![0.0, 0.0, 5.0], vec![3.0, 4.0, 4.0]).sqrt();
        assert!((coupling.squared(&[vec![2, 0, 1], vec![0, 1, 2]]).sqrt() - expected).abs() < 1e-12);
    }

    #[test]
    fn intervals_cover_the_distance_of_the_laws() {
        // W2 of N(0, 1) and N(0.4, 1) is 0.4. In the plane, shifted by 0.4 in both entries, it is 0.4 sqrt 2.
        for (dim, n) in [(1, 200), (2, 120)] {
            let truth = 0.4 * (dim as f64).sqrt();
            let covered = (0..100u64)
                .filter(|seed| {
                    let (a, b) = (normal(2 * seed, n, dim, 0.0), normal(2 * seed + 1, n, dim, 0.4));
                    let (a, b) = (Cloud::new(dim, &a).unwrap(), Cloud::new(dim, &b).unwrap());
                    let coupling = Coupling::new(&a, &b, 12, 0).unwrap();
                    let SampleDistance { interval: [low, high], .. } = coupling.distance(&BOOTSTRAP).unwrap();
                    low <= truth && truth <= high
                })
                .count();
            assert!(covered >= 86, "dimension {dim}: {covered} of 100");
        }
    }

    #[test]
    fn the_interval_of_samples_of_one_law_reaches_zero() {
        let (a, b) = (normal(1, 400, 1, 0.0), normal(2, 400, 1, 0.0));
        let coupling = Coupling::new(&Cloud::new(1, &a).unwrap(), &Cloud::new(1, &b).unwrap(), 1, 0).unwrap();
        let distance = coupling.distance(&BOOTSTRAP).unwrap();
        assert!(distance.w2 > 0.0 && distance.interval[0] == 0.0, "{distance:?}");
        assert!(coupling.distance(&Bootstrap { resamples: 1, ..BOOTSTRAP }).is_err());
        assert!(coupling.distance(&Bootstrap { confidence: 1.0, ..BOOTSTRAP }).is_err());
    }
}
