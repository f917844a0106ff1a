//! An exponential moving average of the weights.

use crate::config::EmaConfig;
use tch::Tensor;
use torch_ext::{TorchError, foreach};

/// Averaged weights, in the order of the network's parameters.
#[derive(Debug)]
pub struct Ema {
    config: EmaConfig,
    averages: Vec<Tensor>,
}

impl Ema {
    /// An average that begins as a copy of `weights`.
    pub fn new(config: EmaConfig, weights: &[Tensor]) -> Self {
        let averages = tch::no_grad(|| weights.iter().map(|w| w.detach().copy()).collect());
        Ema { config, averages }
    }

    /// The averages.
    pub fn averages(&self) -> &[Tensor] {
        &self.averages
    }

    /// The decay that follows step `step` (0-based). The first step copies: the average would otherwise remember the initial weights.
    pub fn decay_at(&self, step: u64) -> f64 {
        if step == 0 {
            return 0.0;
        }
        let step = step as f64;
        if self.config.ramp { self.config.decay.min((1.0 + step) / (10.0 + step)) } else { self.config.decay }
    }

    /// averages = decay averages + (1 - decay) weights.
    pub fn update(&self, weights: &[Tensor], step: u64) -> Result<(), TorchError> {
        foreach::lerp(&self.averages, weights, 1.0 - self.decay_at(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_copies_and_later_ones_average() {
        let weights = [Tensor::from_slice(&[1f32, -2.0])];
        let ema = Ema::new(EmaConfig { decay: 0.75, ramp: false }, &weights);
        let moved = [Tensor::from_slice(&[3f32, 2.0])];
        ema.update(&moved, 0).unwrap();
        assert!(ema.averages()[0].equal(&moved[0]));
        ema.update(&[Tensor::from_slice(&[7f32, 2.0])], 1).unwrap();
        assert_eq!(ema.averages()[0].double_value(&[0]), 0.75 * 3.0 + 0.25 * 7.0);
    }

    #[test]
    fn a_ramp_reaches_its_decay() {
        let ema = Ema::new(EmaConfig { decay: 0.99, ramp: true }, &[]);
        assert_eq!(ema.decay_at(1), 2.0 / 11.0);
        assert!(ema.decay_at(100) < 0.99);
        assert_eq!(ema.decay_at(10_000), 0.99);
    }
}
