//! Noise as an argument: a counter-based generator keyed by (seed, image, draw).
//!
//! The value of a draw depends on its key alone, so image i gets the same noise whatever the batch size, the number of devices or the
//! order of evaluation, and a resumed run needs no generator state. ChaCha8 serves as the counter-based generator: the seed and the purpose
//! make its key, the image its stream, the draw its position.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

/// What a stream of random numbers is for: different purposes never share numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u64)]
pub enum Purpose {
    /// The starting state and the steps of a sampler.
    Sampling = 1,
    /// eps of the training objective.
    TrainingNoise = 2,
    /// The training timesteps.
    TrainingTime = 3,
    /// Dropout of the class label (classifier-free guidance).
    LabelDropout = 4,
    /// Initial weights.
    Weights = 5,
    /// Noise of an evaluation on data.
    Evaluation = 6,
    /// Exact samples of a closed-form target.
    Target = 7,
    /// Dropout masks inside a network.
    Dropout = 8,
    /// Resampling for a bootstrap.
    Bootstrap = 9,
    /// Random projections (Hutchinson's estimator, sliced distances).
    Projection = 10,
    /// Uniform dequantization of images.
    Dequantization = 11,
}

/// A source of random numbers keyed by (seed, purpose, image, draw).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoiseSource {
    seed: u64,
    purpose: Purpose,
}

/// Words of the underlying generator that one draw may use: 2^40, more than any image needs, and 2^28 draws a stream.
const WORDS_PER_DRAW: u128 = 1 << 40;

impl NoiseSource {
    /// The source for one purpose under one seed.
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        NoiseSource { seed, purpose }
    }

    /// The generator of one draw of one image, for other laws than the normal one.
    pub fn rng(&self, image: u64, draw: u64) -> ChaCha8Rng {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(&(self.purpose as u64).to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(image);
        rng.set_word_pos(u128::from(draw) * WORDS_PER_DRAW);
        rng
    }

    /// Fills `out` with independent standard normal numbers.
    pub fn fill_normal(&self, image: u64, draw: u64, out: &mut [f32]) {
        let mut rng = self.rng(image, draw);
        for value in out {
            *value = StandardNormal.sample(&mut rng);
        }
    }

    /// `n` independent standard normal numbers in f64: the same numbers that [`NoiseSource::fill_normal`] rounds.
    pub fn normal(&self, image: u64, draw: u64, n: usize) -> Vec<f64> {
        let mut rng = self.rng(image, draw);
        (0..n).map(|_| StandardNormal.sample(&mut rng)).collect()
    }

    /// Fills `out` with independent numbers that are uniform on [0, 1).
    pub fn fill_uniform(&self, image: u64, draw: u64, out: &mut [f32]) {
        let mut rng = self.rng(image, draw);
        for value in out {
            *value = StandardUniform.sample(&mut rng);
        }
    }

    /// A 63-bit seed derived from a key, for generators that take only a number.
    pub fn derived_seed(&self, image: u64, draw: u64) -> i64 {
        use rand_chacha::rand_core::Rng;
        (self.rng(image, draw).next_u64() >> 1) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(seed: u64, purpose: Purpose, image: u64, draw: u64, n: usize) -> Vec<f32> {
        let mut out = vec![0.0; n];
        NoiseSource::new(seed, purpose).fill_normal(image, draw, &mut out);
        out
    }

    #[test]
    fn a_key_names_its_numbers_and_a_prefix_stays() {
        let a = draw(0, Purpose::Sampling, 3, 5, 16);
        assert_eq!(a, draw(0, Purpose::Sampling, 3, 5, 16));
        assert_eq!(a[..15], draw(0, Purpose::Sampling, 3, 5, 15)[..]);
        for other in [
            draw(1, Purpose::Sampling, 3, 5, 16),
            draw(0, Purpose::TrainingNoise, 3, 5, 16),
            draw(0, Purpose::Sampling, 4, 5, 16),
            draw(0, Purpose::Sampling, 3, 6, 16),
        ] {
            assert!(a.iter().zip(&other).all(|(x, y)| x != y));
        }
    }

    #[test]
    fn draws_are_standard_normal_and_uncorrelated_between_neighbouring_keys() {
        let n = 200_000;
        let a = draw(7, Purpose::Sampling, 0, 0, n);
        let b = draw(7, Purpose::Sampling, 0, 1, n);
        let moment = |f: &dyn Fn(usize) -> f64| (0..n).map(f).sum::<f64>() / n as f64;
        let tolerance = 4.0 / (n as f64).sqrt();
        assert!(moment(&|i| f64::from(a[i])).abs() < tolerance);
        assert!((moment(&|i| f64::from(a[i]).powi(2)) - 1.0).abs() < tolerance * 2f64.sqrt());
        assert!((moment(&|i| f64::from(a[i]).powi(4)) - 3.0).abs() < tolerance * 96f64.sqrt());
        assert!(moment(&|i| f64::from(a[i]) * f64::from(b[i])).abs() < tolerance);
    }
}
