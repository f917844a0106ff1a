//! Exponential moving averages of the weights, any number of them at once.
//!
//! ```text
//! average <- beta average + (1 - beta) weights
//! ```
//!
//! The decay beta of an update is [`AverageConfig::decay_at`].

use crate::TrainError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tch::Tensor;
use torch_ext::{TorchError, foreach};

/// The name of the average whose decay stands in `[train.ema]` itself.
pub const MAIN_AVERAGE: &str = "main";

/// The `[train.ema]` section: the decay of the main average, and further averages by name.
///
/// ```toml
/// [train.ema]
/// decay = 0.9999
/// publish = "short"            # the one in unet/; the others stay in state/
/// [train.ema.also]
/// short = { half_life_images = 50e3 }
/// long = { half_life_steps = 20e3, ramp = true }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmaConfig {
    /// Weight of the past at each step.
    pub decay: f64,
    /// Images after which a weight's share in the average has halved (EDM); replaces `decay`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub half_life_images: Option<f64>,
    /// The same in steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub half_life_steps: Option<f64>,
    /// Smaller decays at the first steps: see [`AverageConfig::ramp`].
    pub ramp: bool,
    /// Name of the average that is published and sampled; `main` is the one of this section.
    pub publish: String,
    /// Further averages.
    pub also: BTreeMap<String, AverageConfig>,
}

/// The decay of one exponential moving average.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AverageConfig {
    /// Weight of the past at each step.
    pub decay: f64,
    /// Images after which a weight's share in the average has halved (EDM); replaces `decay`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub half_life_images: Option<f64>,
    /// The same in steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub half_life_steps: Option<f64>,
    /// A decay grows as (1 + step) / (10 + step) until it reaches `decay`; a half-life is at most 0.05 of what was seen so far (EDM's
    /// `ema_rampup_ratio`). Without it the average begins as a copy at the first step (Ho et al.).
    pub ramp: bool,
}

impl Default for EmaConfig {
    fn default() -> Self {
        let AverageConfig { decay, half_life_images, half_life_steps, ramp } = AverageConfig::default();
        EmaConfig {
            decay,
            half_life_images,
            half_life_steps,
            ramp,
            publish: MAIN_AVERAGE.to_string(),
            also: BTreeMap::new(),
        }
    }
}

impl Default for AverageConfig {
    fn default() -> Self {
        AverageConfig { decay: 0.9999, half_life_images: None, half_life_steps: None, ramp: false }
    }
}

impl EmaConfig {
    /// Every average by name, the main one first.
    pub fn averages(&self) -> impl Iterator<Item = (&str, AverageConfig)> {
        let EmaConfig { decay, half_life_images, half_life_steps, ramp, .. } = *self;
        let main = AverageConfig { decay, half_life_images, half_life_steps, ramp };
        std::iter::once((MAIN_AVERAGE, main)).chain(self.also.iter().map(|(name, &law)| (name.as_str(), law)))
    }

    pub(crate) fn validate(&self) -> Result<(), TrainError> {
        let check = |ok: bool, key: String, expected: &str, got: String| {
            if ok { Ok(()) } else { Err(TrainError::setting(&key, expected, got)) }
        };
        for (name, law) in self.averages() {
            let key = |key: &str| match name {
                MAIN_AVERAGE => format!("ema.{key}"),
                _ => format!("ema.also.{name}.{key}"),
            };
            check((0.0..1.0).contains(&law.decay), key("decay"), "in [0, 1)", law.decay.to_string())?;
            for (what, value) in
                [("half_life_images", law.half_life_images), ("half_life_steps", law.half_life_steps)]
            {
                if let Some(value) = value {
                    check(value > 0.0 && value.is_finite(), key(what), "positive", value.to_string())?;
                }
            }
            if let (Some(_), Some(steps)) = (law.half_life_images, law.half_life_steps) {
                let expected = "left out where half_life_images is given";
                check(false, key("half_life_steps"), expected, steps.to_string())?;
            }
        }
        for name in self.also.keys() {
            let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
            let expected = "names of letters, digits, - and _, other than main";
            check(
                plain && !name.is_empty() && name != MAIN_AVERAGE,
                "ema.also".into(),
                expected,
                name.clone(),
            )?;
        }
        let known = self.averages().any(|(name, _)| name == self.publish);
        check(known, "ema.publish".into(), "main or a name in train.ema.also", self.publish.clone())
    }
}

impl AverageConfig {
    /// Part of the seen images or steps that a ramped half-life may have (EDM, training_loop.py).
    const RAMP_RATIO: f64 = 0.05;

    /// The decay at the `update`-th update (0-based) with `batch_size` images each.
    ///
    /// ```text
    /// beta = decay, or (1/2)^(batch_size / half-life in images)
    /// ```
    ///
    /// The first update copies the weights, so that the average holds nothing of the initial ones.
    pub fn decay_at(&self, update: u64, batch_size: usize) -> f64 {
        if update == 0 {
            return 0.0;
        }
        let update = update as f64;
        let batch = batch_size as f64;
        let (unit, half_life) = match (self.half_life_images, self.half_life_steps) {
            (Some(images), _) => (batch, images),
            (None, Some(steps)) => (1.0, steps),
            (None, None) if self.ramp => return self.decay.min((1.0 + update) / (10.0 + update)),
            (None, None) => return self.decay,
        };
        let half_life = if self.ramp { half_life.min(Self::RAMP_RATIO * update * unit) } else { half_life };
        0.5f64.powf(unit / half_life)
    }
}

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

    #[test]
    fn half_lives_halve_and_ramps_follow_their_papers() {
        let law = |decay, half_life_images, half_life_steps, ramp| AverageConfig {
            decay,
            half_life_images,
            half_life_steps,
            ramp,
        };
        // After 5 steps of 10 images, 50 images: the share of the past is one half.
        let images = law(0.9, Some(50.0), None, false);
        assert!((images.decay_at(7, 10).powi(5) - 0.5).abs() < 1e-12);
        let steps = law(0.9, None, Some(5.0), false);
        assert_eq!(steps.decay_at(7, 10), images.decay_at(7, 10));
        // EDM: ema_beta = 0.5 ** (batch_size / min(half-life, images seen * 0.05)).
        let ramped = law(0.9, Some(500e3), None, true);
        assert_eq!(ramped.decay_at(100, 512), 0.5f64.powf(512.0 / (0.05 * 51_200.0)));
        assert_eq!(ramped.decay_at(1_000_000, 512), 0.5f64.powf(512.0 / 500e3));
        assert_eq!(law(0.99, None, None, true).decay_at(1, 8), 2.0 / 11.0);
        assert_eq!(law(0.99, None, None, true).decay_at(10_000, 8), 0.99);
        for law in [images, steps, ramped, law(0.99, None, None, true), law(0.99, None, None, false)] {
            assert_eq!(law.decay_at(0, 8), 0.0, "the first update copies");
        }
    }
}
