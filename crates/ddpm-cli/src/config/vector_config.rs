//! The configuration of a run that trains a score on vectors: a closed-form target, a perceptron, a score-matching objective.

use super::configuration::Configuration;
use super::data_config::TargetData;
use super::sample_config::SampleConfig;
use super::size_limits;
use crate::sampler_options::Origin;
use anyhow::{Context, Result, bail, ensure};
use ddpm_core::{Noising, NoisingConfig, Scheme, Variance};
use ddpm_nets::{Mlp, MlpConfig, ScoreNetwork};
use ddpm_train::score_matching::ScoreObjective;
use ddpm_train::{LossConfig, Precision, TimesConfig, TrainConfig};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tch::Device;

/// A complete run on vectors. Each section is documented where it is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VectorConfig {
    /// The distribution of the data.
    pub(crate) data: TargetData,
    /// The network.
    pub(crate) model: MlpConfig,
    /// The noising process.
    pub(crate) diffusion: NoisingConfig,
    /// What is minimized.
    pub(crate) objective: ScoreObjective,
    /// How it is trained.
    #[serde(default)]
    pub(crate) train: TrainConfig,
    /// How it is sampled.
    #[serde(default)]
    pub(crate) sample: SampleConfig,
    /// What is measured.
    #[serde(default)]
    pub(crate) eval: ScoreEval,
}

/// `[eval]` of a run on vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ScoreEval {
    /// Noise levels at which the score is compared with the exact one.
    pub(crate) levels: usize,
    /// Samples at each level.
    pub(crate) samples: u64,
    /// Their seed.
    pub(crate) seed: u64,
}

impl Default for ScoreEval {
    fn default() -> Self {
        ScoreEval { levels: 10, samples: 20_000, seed: 0 }
    }
}

impl Configuration for VectorConfig {
    const TRAINS: &'static str = "a score on vectors";
    const SAMPLE_DEFAULTS: &'static [(&'static str, i64)] = &[("num", 2000), ("batch_size", 4096)];

    fn validate(&self) -> Result<()> {
        let target = self.data.build()?;
        self.model.validate()?;
        ensure!(
            self.model.dim == target.dim() as i64,
            "model.dim must be {} like the data, got {}",
            target.dim(),
            self.model.dim
        );
        let noising = self.diffusion.build().context("diffusion")?;
        self.objective.validate("objective.projections")?;
        self.train.validate()?;
        let (width, samples) = (self.model.width as f64, self.train.batch_size);
        size_limits::check(
            "train.batch_size",
            &format!("a hidden layer of {samples} samples"),
            width * samples as f64,
        )?;
        ensure!(!self.train.horizontal_flips, "train.horizontal_flips is for images, these are vectors");
        ensure!(
            self.train.loss == LossConfig::default()
                && self.train.times == TimesConfig::default()
                && self.train.label_dropout == 0.0,
            "train.loss, train.times and train.label_dropout are for images; runs on vectors have [objective]"
        );
        ensure!(
            self.train.precision == Precision::F32,
            "train.precision must be f32: scores on vectors are trained without autocast"
        );
        let (eval, sample) = (&self.eval, &self.sample);
        ensure!(eval.levels >= 2, "eval.levels must be at least 2, got {}", eval.levels);
        ensure!(eval.samples >= 2, "eval.samples must be at least 2, got {}", eval.samples);
        for (key, given) in [
            ("train.sample_every", self.train.sample_every > 0),
            ("train.validate_every", self.train.validate_every > 0),
            ("train.evaluate_every", self.train.evaluate_every > 0),
            ("sample.guidance", sample.guidance.is_some()),
            ("sample.preview_num", sample.preview_num.is_some()),
            ("sample.preview_steps", sample.preview_steps.is_some()),
        ] {
            ensure!(!given, "{key} is for images, these are vectors");
        }
        sample.sampler.check_thresholding(false, Origin::File)?;
        sample.validate(match &noising {
            Noising::Discrete(schedule) => Some(schedule.steps()),
            Noising::Continuous { .. } => None,
        })?;
        if let Scheme::Ddpm { variance } = sample.scheme(Variance::FixedLarge)?
            && (variance == Variance::Analytic || variance.is_learned())
        {
            bail!("sample.variance must be fixed-small or fixed-large for a network on vectors");
        }
        Ok(())
    }

    fn train(&self) -> &TrainConfig {
        &self.train
    }

    fn trained_part(&self) -> Self {
        VectorConfig {
            train: self.train.trained_part(),
            sample: SampleConfig::default(),
            eval: ScoreEval::default(),
            ..self.clone()
        }
    }

    fn seeds(&mut self) -> Vec<&mut u64> {
        vec![&mut self.train.seed, &mut self.sample.seed, &mut self.eval.seed]
    }

    fn data_dir(&mut self) -> Option<&mut Option<PathBuf>> {
        None
    }

    fn parameters(&self) -> Result<u64> {
        Ok(Mlp::new(self.model.clone(), Device::Cpu, 0)?.parameters().count())
    }
}
