//! The `[train]` section.

use crate::TrainError;
use serde::{Deserialize, Serialize};

/// How a run trains. Defaults are Ho et al. 2020's for CIFAR-10.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Optimizer steps in all.
    pub steps: u64,
    /// Images a step.
    pub batch_size: usize,
    /// Learning rate after the warm-up.
    pub learning_rate: f64,
    /// Steps over which the learning rate grows linearly from 0: the first step moves nothing.
    pub warmup_steps: u64,
    /// Decay of Adam's first moment.
    pub beta1: f64,
    /// Decay of Adam's second moment.
    pub beta2: f64,
    /// Added to the root of Adam's second moment.
    pub eps: f64,
    /// Largest global norm of the gradient; larger ones are scaled down to it. 0 switches clipping off.
    pub gradient_clip: f64,
    /// Mirror images left to right with probability 1/2.
    pub horizontal_flips: bool,
    /// The averaged weights, which are the ones that are published and sampled.
    pub ema: EmaConfig,
    /// Number format of matrix products and convolutions.
    pub precision: Precision,
    /// Steps between checkpoints; the last step always writes one. 0: only at the end.
    pub checkpoint_every: u64,
    /// Newest checkpoints that stay; older ones are removed. 0 keeps all. While a checkpoint is written the disk holds one more.
    pub keep_checkpoints: usize,
    /// Checkpoints that stay for good: those whose step this divides. 0: none.
    pub keep_every: u64,
    /// Steps between lines of `metrics.jsonl`.
    pub log_every: u64,
    /// Seed of everything random in the run: initial weights, order of images, noise, dropout.
    pub seed: u64,
}

/// Exponential moving average of the weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmaConfig {
    /// Weight of the past at each step.
    pub decay: f64,
    /// Let the decay grow as (1 + step) / (10 + step) until it reaches `decay`, so that short runs forget their first weights. Without it
    /// the average begins as a copy at the first step (Ho et al.).
    pub ramp: bool,
}

/// Number format of the expensive operations; weights, norms, reductions and the loss are always f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floating point.
    #[default]
    F32,
    /// bfloat16 under autocast.
    Bf16,
}

impl Default for EmaConfig {
    fn default() -> Self {
        EmaConfig { decay: 0.9999, ramp: false }
    }
}

impl Default for TrainConfig {
    fn default() -> Self {
        TrainConfig {
            steps: 800_000,
            batch_size: 128,
            learning_rate: 2e-4,
            warmup_steps: 5000,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            gradient_clip: 1.0,
            horizontal_flips: false,
            ema: EmaConfig::default(),
            precision: Precision::F32,
            checkpoint_every: 10_000,
            keep_checkpoints: 2,
            keep_every: 0,
            log_every: 100,
            seed: 0,
        }
    }
}

impl TrainConfig {
    /// Checks every setting; the text names the key.
    pub fn validate(&self) -> Result<(), TrainError> {
        let check = |ok: bool, key: &'static str, expected: &'static str, got: String| {
            if ok { Ok(()) } else { Err(TrainError::Config { key, expected, got }) }
        };
        check(self.steps >= 1, "steps", "at least 1", self.steps.to_string())?;
        check(self.batch_size >= 1, "batch_size", "at least 1", self.batch_size.to_string())?;
        check(self.log_every >= 1, "log_every", "at least 1", self.log_every.to_string())?;
        let rate = self.learning_rate;
        check(rate > 0.0 && rate.is_finite(), "learning_rate", "positive", rate.to_string())?;
        check((0.0..1.0).contains(&self.beta1), "beta1", "in [0, 1)", self.beta1.to_string())?;
        check((0.0..1.0).contains(&self.beta2), "beta2", "in [0, 1)", self.beta2.to_string())?;
        check(self.eps > 0.0, "eps", "positive", self.eps.to_string())?;
        check(self.gradient_clip >= 0.0, "gradient_clip", "0 or positive", self.gradient_clip.to_string())?;
        check((0.0..1.0).contains(&self.ema.decay), "ema.decay", "in [0, 1)", self.ema.decay.to_string())
    }

    /// The learning rate of a step (0-based): linear warm-up from 0, then constant (Ho et al.: lr * min(step / warm-up, 1)).
    pub fn learning_rate_at(&self, step: u64) -> f64 {
        if self.warmup_steps == 0 {
            return self.learning_rate;
        }
        self.learning_rate * (step as f64 / self.warmup_steps as f64).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warm_up_starts_at_rest_and_ends_at_the_rate() {
        let config = TrainConfig { learning_rate: 2.0, warmup_steps: 4, ..TrainConfig::default() };
        let rates: Vec<f64> = (0..6).map(|step| config.learning_rate_at(step)).collect();
        assert_eq!(rates, [0.0, 0.5, 1.0, 1.5, 2.0, 2.0]);
        let none = TrainConfig { warmup_steps: 0, ..config };
        assert_eq!(none.learning_rate_at(0), 2.0);
    }

    #[test]
    fn a_wrong_setting_is_named() {
        let config = TrainConfig { batch_size: 0, ..TrainConfig::default() };
        assert_eq!(config.validate().unwrap_err().to_string(), "train.batch_size must be at least 1, got 0");
    }
}
