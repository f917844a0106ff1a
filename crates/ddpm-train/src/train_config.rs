//! The `[train]` section of a configuration.

use crate::TrainError;
use crate::callbacks::EvaluationRequest;
use crate::ema::EmaConfig;
use crate::objective::{LossConfig, TimesConfig};
use serde::{Deserialize, Serialize};
use torch_ext::foreach::AdamStep;

/// The settings of a training run. Defaults are Ho et al. 2020's for CIFAR-10.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Optimizer steps in all.
    pub steps: u64,
    /// Images a step, in all processes together.
    pub batch_size: usize,
    /// Parts in which a batch is computed, one after the other: the memory of `batch_size / accumulate` images, the result of `batch_size`.
    pub accumulate: usize,
    /// Learning rate after the warm-up.
    pub learning_rate: f64,
    /// Steps over which the learning rate grows linearly from 0: the first step moves nothing.
    pub warmup_steps: u64,
    /// The course of the learning rate between the warm-up and the last step.
    pub learning_rate_decay: Decay,
    /// Adam, or AdamW with its decoupled weight decay.
    pub optimizer: Optimizer,
    /// Part of each weight that a step at learning rate 1 takes away (AdamW).
    pub weight_decay: f64,
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
    /// Probability that a class-conditional model is shown the null class instead of the image's, for classifier-free guidance (Ho &
    /// Salimans 2022 use 0.1 to 0.2).
    pub label_dropout: f64,
    /// The training loss.
    pub loss: LossConfig,
    /// The distribution of the noise levels.
    pub times: TimesConfig,
    /// The averaged weights, which are the ones that are published and sampled.
    pub ema: EmaConfig,
    /// Number format of matrix products and convolutions.
    pub precision: Precision,
    /// Let NVIDIA GPUs round the factors of f32 products to 10 bits (TF32): several times faster, relative errors of about 1e-3.
    pub tf32: bool,
    /// Give the same weights at every repetition on a GPU, so that a resumed run equals one that never stopped. `false` lets cuDNN take its
    /// fastest algorithms. CPUs give the same weights in any case.
    pub deterministic: bool,
    /// Lay images and convolution weights out with their channels last (NHWC): the same values up to rounding. Measure before use: on a CPU,
    /// training gains a little in f32 and loses in bf16.
    pub channels_last: bool,
    /// Steps with a non-finite loss or gradient that the whole run may skip before one ends it.
    pub skip_nonfinite: u64,
    /// Steps between checkpoints; the last step always writes one. 0: only at the end.
    pub checkpoint_every: u64,
    /// Newest checkpoints that stay; older ones are removed. 0 keeps all. While a checkpoint is written the disk holds one more.
    pub keep_checkpoints: usize,
    /// Checkpoints that are never removed: those whose step this divides. 0: none.
    pub keep_every: u64,
    /// Steps between pictures of samples from the average that is published. 0: none.
    pub sample_every: u64,
    /// Steps between measurements of the loss on held-out images. 0: none.
    pub validate_every: u64,
    /// Steps between measurements of the distance of samples to real images; the checkpoint of the smallest stays, as `checkpoints/best`. 0: none.
    pub evaluate_every: u64,
    /// Steps between lines of `metrics.jsonl`.
    pub log_every: u64,
    /// Seed of everything random in the run: initial weights, order of images, noise, dropout.
    pub seed: u64,
}

/// The course of the learning rate after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// Constant.
    #[default]
    Constant,
    /// Half a cosine, down to 0 at the last step.
    Cosine,
    /// Linear, down to 0 at the last step.
    Linear,
}

/// The optimizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Kingma & Ba 2015.
    #[default]
    Adam,
    /// Loshchilov & Hutter 2019: weight decay apart from the gradient.
    AdamW,
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

impl Default for TrainConfig {
    fn default() -> Self {
        TrainConfig {
            steps: 800_000,
            batch_size: 128,
            accumulate: 1,
            learning_rate: 2e-4,
            warmup_steps: 5000,
            learning_rate_decay: Decay::Constant,
            optimizer: Optimizer::Adam,
            weight_decay: 0.0,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            gradient_clip: 1.0,
            horizontal_flips: false,
            label_dropout: 0.0,
            loss: LossConfig::default(),
            times: TimesConfig::default(),
            ema: EmaConfig::default(),
            precision: Precision::F32,
            tf32: false,
            deterministic: true,
            channels_last: false,
            skip_nonfinite: 0,
            checkpoint_every: 10_000,
            keep_checkpoints: 2,
            keep_every: 0,
            sample_every: 0,
            validate_every: 0,
            evaluate_every: 0,
            log_every: 100,
            seed: 0,
        }
    }
}

impl TrainConfig {
    /// Checks every setting; the text names the key.
    pub fn validate(&self) -> Result<(), TrainError> {
        let check = |ok: bool, key: &str, expected: &str, got: String| {
            if ok { Ok(()) } else { Err(TrainError::setting(key, expected, got)) }
        };
        check(self.steps >= 1, "steps", "at least 1", self.steps.to_string())?;
        check(self.batch_size >= 1, "batch_size", "at least 1", self.batch_size.to_string())?;
        check(
            self.accumulate >= 1 && self.batch_size.is_multiple_of(self.accumulate),
            "accumulate",
            "a divisor of train.batch_size",
            self.accumulate.to_string(),
        )?;
        check(self.log_every >= 1, "log_every", "at least 1", self.log_every.to_string())?;
        let rate = self.learning_rate;
        check(rate > 0.0 && rate.is_finite(), "learning_rate", "positive", rate.to_string())?;
        check((0.0..1.0).contains(&self.beta1), "beta1", "in [0, 1)", self.beta1.to_string())?;
        check((0.0..1.0).contains(&self.beta2), "beta2", "in [0, 1)", self.beta2.to_string())?;
        check(self.eps > 0.0, "eps", "positive", self.eps.to_string())?;
        let dropout = self.label_dropout;
        check((0.0..=1.0).contains(&dropout), "label_dropout", "in [0, 1]", dropout.to_string())?;
        self.times.validate()?;
        check(self.gradient_clip >= 0.0, "gradient_clip", "0 or positive", self.gradient_clip.to_string())?;
        let decay = self.weight_decay;
        check(decay >= 0.0 && decay.is_finite(), "weight_decay", "0 or positive", decay.to_string())?;
        let coupled = decay > 0.0 && self.optimizer == Optimizer::Adam;
        check(!coupled, "weight_decay", "0 unless train.optimizer is adamw", decay.to_string())?;
        self.ema.validate()
    }

    /// Checks that a number of processes can share each batch equally.
    pub fn check_processes(&self, world: usize) -> Result<(), TrainError> {
        let divides = |n: &usize| (self.batch_size / self.accumulate).is_multiple_of(*n);
        if divides(&world) {
            return Ok(());
        }
        let below = (1..world).rev().find(divides);
        let above = (world + 1..=self.batch_size).find(divides);
        let numbers: Vec<String> = below.into_iter().chain(above).map(|n| n.to_string()).collect();
        let expected = format!(
            "a multiple of train.accumulate ({}) times the number of processes ({world}); the nearest numbers of processes that share it are {}",
            self.accumulate,
            numbers.join(" and ")
        );
        Err(TrainError::setting("batch_size", expected, self.batch_size))
    }

    /// The evaluations to make when `steps` steps are done.
    pub fn evaluation_at(&self, steps: u64) -> EvaluationRequest {
        let divides = |every: u64| every > 0 && steps.is_multiple_of(every);
        EvaluationRequest {
            samples: divides(self.sample_every),
            validation: divides(self.validate_every),
            distance: divides(self.evaluate_every),
        }
    }

    /// The settings that the weights after a given step depend on, the others at their defaults: a resumed run may change only those others.
    pub fn trained_part(&self) -> TrainConfig {
        let free = TrainConfig::default();
        TrainConfig {
            // A learning rate that decays towards the last step depends on which step that is.
            steps: if self.learning_rate_decay == Decay::Constant { free.steps } else { self.steps },
            checkpoint_every: free.checkpoint_every,
            keep_checkpoints: free.keep_checkpoints,
            keep_every: free.keep_every,
            log_every: free.log_every,
            skip_nonfinite: free.skip_nonfinite,
            sample_every: free.sample_every,
            validate_every: free.validate_every,
            evaluate_every: free.evaluate_every,
            ..self.clone()
        }
    }

    /// The learning rate of a step (0-based): linear warm-up from 0 (Ho et al.: lr * min(step / warm-up, 1)), then what
    /// `learning_rate_decay` says.
    pub fn learning_rate_at(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.learning_rate * (step as f64 / self.warmup_steps as f64);
        }
        let rest = self.steps.saturating_sub(self.warmup_steps).max(1);
        let progress = ((step - self.warmup_steps) as f64 / rest as f64).min(1.0);
        self.learning_rate
            * match self.learning_rate_decay {
                Decay::Constant => 1.0,
                Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
                Decay::Linear => 1.0 - progress,
            }
    }

    /// The optimizer's numbers at a step (0-based).
    pub fn adam_at(&self, step: u64) -> AdamStep {
        AdamStep {
            learning_rate: self.learning_rate_at(step),
            beta1: self.beta1,
            beta2: self.beta2,
            eps: self.eps,
            weight_decay: self.weight_decay,
            decoupled: self.optimizer == Optimizer::AdamW,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ema::AverageConfig;

    #[test]
    fn the_warm_up_starts_at_rest_and_ends_at_the_rate() {
        let config = TrainConfig { learning_rate: 2.0, warmup_steps: 4, ..TrainConfig::default() };
        let rates: Vec<f64> = (0..6).map(|step| config.learning_rate_at(step)).collect();
        assert_eq!(rates, [0.0, 0.5, 1.0, 1.5, 2.0, 2.0]);
        let none = TrainConfig { warmup_steps: 0, ..config };
        assert_eq!(none.learning_rate_at(0), 2.0);
    }

    #[test]
    fn decays_end_at_zero_after_the_last_step() {
        let rates = |decay| {
            let config = TrainConfig {
                steps: 12,
                learning_rate: 2.0,
                warmup_steps: 4,
                learning_rate_decay: decay,
                ..TrainConfig::default()
            };
            [2, 4, 6, 8, 12, 20].map(|step| config.learning_rate_at(step))
        };
        assert_eq!(rates(Decay::Constant), [1.0, 2.0, 2.0, 2.0, 2.0, 2.0]);
        assert_eq!(rates(Decay::Linear), [1.0, 2.0, 1.5, 1.0, 0.0, 0.0]);
        let cosine = rates(Decay::Cosine);
        for (got, expected) in cosine.iter().zip([1.0, 2.0, 1.0 + 0.5f64.sqrt(), 1.0, 0.0, 0.0]) {
            assert!((got - expected).abs() < 1e-12, "{cosine:?}");
        }
    }

    #[test]
    fn a_wrong_setting_is_named() {
        let config = TrainConfig { batch_size: 0, ..TrainConfig::default() };
        assert_eq!(config.validate().unwrap_err().to_string(), "train.batch_size must be at least 1, got 0");
        let wrong = |change: &dyn Fn(&mut TrainConfig)| {
            let mut config = TrainConfig::default();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        assert_eq!(
            wrong(&|c| c.accumulate = 3),
            "train.accumulate must be a divisor of train.batch_size, got 3"
        );
        assert_eq!(
            wrong(&|c| c.weight_decay = 0.1),
            "train.weight_decay must be 0 unless train.optimizer is adamw, got 0.1"
        );
        assert_eq!(
            wrong(&|c| c.ema.publish = "long".into()),
            "train.ema.publish must be main or a name in train.ema.also, got long"
        );
        let short = AverageConfig { half_life_steps: Some(-1.0), ..AverageConfig::default() };
        let with_short = |c: &mut TrainConfig| c.ema.also = [("short".to_string(), short)].into();
        assert_eq!(wrong(&with_short), "train.ema.also.short.half_life_steps must be positive, got -1");
    }

    #[test]
    fn a_number_of_processes_that_cannot_share_a_batch_is_refused_with_the_nearest() {
        let config = TrainConfig { batch_size: 24, accumulate: 2, ..TrainConfig::default() };
        assert!([1, 2, 3, 4, 6, 12].iter().all(|&world| config.check_processes(world).is_ok()));
        let text = config.check_processes(5).unwrap_err().to_string();
        assert!(text.contains("nearest numbers of processes that share it are 4 and 6, got 24"), "{text}");
        let text = config.check_processes(50).unwrap_err().to_string();
        assert!(text.contains("are 12, got 24"), "{text}");
    }

    #[test]
    fn a_resumed_run_may_change_its_length_and_intervals_alone() {
        let old = TrainConfig::default();
        let free = TrainConfig {
            steps: 9,
            checkpoint_every: 1,
            keep_checkpoints: 7,
            keep_every: 3,
            log_every: 5,
            skip_nonfinite: 2,
            sample_every: 4,
            validate_every: 4,
            ..old.clone()
        };
        assert_eq!(free.trained_part(), old.trained_part());
        let other_rate = TrainConfig { learning_rate: 0.5, ..free.clone() };
        assert_ne!(other_rate.trained_part(), old.trained_part());
        let decaying = TrainConfig { learning_rate_decay: Decay::Cosine, ..old };
        let longer = TrainConfig { steps: 9, keep_every: 3, ..decaying.clone() };
        assert_ne!(longer.trained_part(), decaying.trained_part());
    }
}
