//! The `[eval]` section of a run's configuration.

use crate::EvalError;
use serde::{Deserialize, Serialize};

/// What is measured on a trained model, and how finely.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvalConfig {
    /// Noise levels at which the denoising error is measured: that many of the visited ones, both ends included, spread evenly over steps
    /// and log-SNR. 0: all.
    pub levels: usize,
    /// Largest number of images of each split. As many training as held-out images are used. 0: all held-out images.
    pub max_images: usize,
    /// Independent noise draws for each image and level. More draws narrow the interval as long as the noise, not the choice of images,
    /// dominates it.
    pub repeats: usize,
    /// Images evaluated at once.
    pub batch_size: usize,
    /// Seed of the noise and of the choice of images.
    pub seed: u64,
    /// Also measure the irreducible part of the training error: that of the exact denoiser of the training images. Its cost grows with the
    /// number of training images; for the 50,000 of CIFAR-10 it is minutes on a few CPU cores and seconds on a GPU.
    pub training_floor: bool,
}

impl Default for EvalConfig {
    fn default() -> Self {
        EvalConfig {
            levels: 50,
            max_images: 1000,
            repeats: 1,
            batch_size: 250,
            seed: 0,
            training_floor: true,
        }
    }
}

impl EvalConfig {
    /// Checks every setting; the text names the key.
    pub fn validate(&self) -> Result<(), EvalError> {
        let check = |ok, key, expected, got: usize| {
            if ok { Ok(()) } else { Err(EvalError::Config { key, expected, got }) }
        };
        check(self.levels != 1, "levels", "0 (all) or at least 2", self.levels)?;
        check(self.max_images != 1, "max_images", "0 (all) or at least 2", self.max_images)?;
        check(self.repeats >= 1, "repeats", "at least 1", self.repeats)?;
        check(self.batch_size >= 1, "batch_size", "at least 1", self.batch_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_and_impossible_values_are_named() {
        let read = |text: &str| serde_json::from_str::<EvalConfig>(text);
        assert_eq!(read("{}").unwrap(), EvalConfig::default());
        assert!(read(r#"{"level": 3}"#).unwrap_err().to_string().contains("`level`"));
        let message = |config: EvalConfig| config.validate().unwrap_err().to_string();
        let one = EvalConfig { levels: 1, ..EvalConfig::default() };
        assert_eq!(message(one), "eval.levels must be 0 (all) or at least 2, got 1");
        let none = EvalConfig { batch_size: 0, ..EvalConfig::default() };
        assert_eq!(message(none), "eval.batch_size must be at least 1, got 0");
        assert!(EvalConfig::default().validate().is_ok());
    }
}
