//! Exponential moving averages of the weights, any number of them at once.
//!
//! ```text
//! average <- beta average + (1 - beta) weights
//! ```
//!
//! The decay beta of an update is [`AverageConfig::decay_at`].

use crate::config::{AverageConfig, EmaConfig};
use tch::Tensor;
use torch_ext::{TorchError, foreach};

/// One average, in the order of the network's parameters.
#[derive(Debug)]
pub struct Ema {
    name: String,
    law: AverageConfig,
    batch_size: usize,
    average: Vec<Tensor>,
}

impl Ema {
    /// An average that begins as a copy of `weights`; `batch_size` images an update turn half-lives into decays.
    pub fn new(name: &str, law: AverageConfig, batch_size: usize, weights: &[Tensor]) -> Self {
        let average = tch::no_grad(|| weights.iter().map(|w| w.detach().copy()).collect());
        Ema { name: name.to_string(), law, batch_size, average }
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The averaged weights.
    pub fn tensors(&self) -> &[Tensor] {
        &self.average
    }

    /// Takes the weights in that update `update` (0-based) led to.
    pub fn update(&self, weights: &[Tensor], update: u64) -> Result<(), TorchError> {
        foreach::lerp(&self.average, weights, 1.0 - self.law.decay_at(update, self.batch_size))
    }
}

/// All averages of a run.
#[derive(Debug)]
pub struct Averages {
    all: Vec<Ema>,
    published: usize,
}

impl Averages {
    /// Copies of `weights`, one for each law of the configuration.
    pub fn new(config: &EmaConfig, batch_size: usize, weights: &[Tensor]) -> Self {
        let all: Vec<Ema> =
            config.averages().map(|(name, law)| Ema::new(name, law, batch_size, weights)).collect();
        let published = all.iter().position(|ema| ema.name == config.publish).unwrap_or(0);
        Averages { all, published }
    }

    /// The one that is published and sampled.
    pub fn published(&self) -> &Ema {
        &self.all[self.published]
    }

    /// The others, which only the training state keeps.
    pub fn others(&self) -> impl Iterator<Item = &Ema> {
        self.all.iter().enumerate().filter(|(index, _)| *index != self.published).map(|(_, ema)| ema)
    }

    /// Updates every average.
    pub fn update(&self, weights: &[Tensor], update: u64) -> Result<(), TorchError> {
        self.all.iter().try_for_each(|ema| ema.update(weights, update))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_update_copies_and_later_ones_average() {
        let weights = [Tensor::from_slice(&[1f32, -2.0])];
        let mut config = EmaConfig { decay: 0.75, publish: "half".into(), ..EmaConfig::default() };
        let half = AverageConfig { half_life_images: Some(8.0), ..AverageConfig::default() };
        config.also.insert("half".into(), half);
        let averages = Averages::new(&config, 8, &weights);
        let moved = [Tensor::from_slice(&[3f32, 2.0])];
        averages.update(&moved, 0).unwrap();
        assert!(averages.published().tensors()[0].equal(&moved[0]));
        averages.update(&[Tensor::from_slice(&[7f32, 2.0])], 1).unwrap();
        assert_eq!(averages.published().name(), "half");
        assert_eq!(averages.published().tensors()[0].double_value(&[0]), 0.5 * 3.0 + 0.5 * 7.0);
        let main = averages.others().next().unwrap();
        assert_eq!((main.name(), averages.others().count()), ("main", 1));
        assert_eq!(main.tensors()[0].double_value(&[0]), 0.75 * 3.0 + 0.25 * 7.0);
    }
}
