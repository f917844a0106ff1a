//! The configuration of a run on vectors: a closed-form target, a perceptron, a score-matching objective.

use anyhow::{Context, Result, bail, ensure};
use ddpm_core::scheme::{SamplerInfo, Scheme};
use ddpm_core::{Grid, Noising, NoisingConfig, Target, TargetSpec, Variance};
use ddpm_nets::MlpConfig;
use ddpm_train::score_matching::ScoreObjective;
use ddpm_train::{LossConfig, Precision, TimesConfig, TrainConfig};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use crate::target_file;

/// A complete run on vectors. Each section is documented where it is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VectorConfig {
    /// The law of the data.
    pub(crate) data: VectorData,
    /// The network.
    pub(crate) model: MlpConfig,
    /// How the data are noised.
    pub(crate) diffusion: NoisingConfig,
    /// What is minimized.
    pub(crate) objective: ScoreObjective,
    /// How it is trained.
    #[serde(default)]
    pub(crate) train: TrainConfig,
    /// How it is sampled.
    #[serde(default)]
    pub(crate) sample: VectorSample,
    /// What is measured.
    #[serde(default)]
    pub(crate) eval: VectorEval,
}

/// `[data]`: a closed-form target, written here or in a file. Training draws its samples afresh.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VectorData {
    /// The target itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<TargetSpec>,
    /// A target file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<PathBuf>,
}

/// `[sample]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct VectorSample {
    /// Number of samples.
    pub(crate) num: u64,
    /// The sampler's name; `ddpm sample --list-samplers` lists them.
    pub(crate) sampler: String,
    /// Levels visited.
    pub(crate) steps: usize,
    /// Which levels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) grid: Option<Grid>,
    /// Variance of ddpm's steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) variance: Option<Variance>,
    /// Step of langevin in units of the level's sigma^2, or epsilon of annealed-langevin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) step_size: Option<f64>,
    /// Steps of annealed-langevin at each level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) level_steps: Option<usize>,
    /// Samples at once.
    pub(crate) batch_size: u64,
    /// Seed of the starting states and the noise.
    pub(crate) seed: u64,
}

impl Default for VectorSample {
    fn default() -> Self {
        VectorSample {
            num: 2000,
            sampler: "ddpm".to_string(),
            steps: 1000,
            grid: None,
            variance: None,
            step_size: None,
            level_steps: None,
            batch_size: 4096,
            seed: 0,
        }
    }
}

/// `[eval]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct VectorEval {
    /// Noise levels at which the score is compared with the exact one.
    pub(crate) levels: usize,
    /// Samples at each level.
    pub(crate) samples: u64,
    /// Their seed.
    pub(crate) seed: u64,
}

impl Default for VectorEval {
    fn default() -> Self {
        VectorEval { levels: 10, samples: 20_000, seed: 0 }
    }
}

impl VectorData {
    /// The law.
    pub(crate) fn build(&self) -> Result<Target> {
        match (&self.target, &self.file) {
            (Some(spec), None) => match spec.file() {
                Some(_) => {
                    bail!("data.target: moments in a file need a target file of their own; use data.file")
                }
                None => spec.build().context("data.target"),
            },
            (None, Some(path)) => target_file::read(path),
            _ => bail!("data: expected either target or file"),
        }
    }
}

impl VectorConfig {
    /// Checks each section, and that they fit together.
    pub(crate) fn validate(&self) -> Result<()> {
        let target = self.data.build()?;
        self.model.validate()?;
        ensure!(
            self.model.dim == target.dim() as i64,
            "model.dim must be {} like the data, got {}",
            target.dim(),
            self.model.dim
        );
        let noising = self.diffusion.build().context("diffusion")?;
        self.objective.validate()?;
        self.train.validate()?;
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
        let eval = &self.eval;
        ensure!(eval.levels >= 2, "eval.levels must be at least 2, got {}", eval.levels);
        ensure!(eval.samples >= 2, "eval.samples must be at least 2, got {}", eval.samples);
        self.sample.validate(&noising)
    }

    /// The whole configuration, defaults included.
    pub(crate) fn to_toml(&self) -> Result<String> {
        toml::to_string(self).context("the configuration cannot be written as TOML")
    }
}

impl VectorSample {
    fn validate(&self, noising: &Noising) -> Result<()> {
        ensure!(self.num >= 1, "sample.num must be at least 1, got {}", self.num);
        ensure!(self.batch_size >= 1, "sample.batch_size must be at least 1, got {}", self.batch_size);
        ensure!(self.steps >= 1, "sample.steps must be at least 1, got {}", self.steps);
        if let Noising::Discrete(schedule) = noising {
            let most = schedule.steps();
            ensure!(
                self.steps <= most,
                "sample.steps must lie between 1 and the {most} training levels, got {}",
                self.steps
            );
        }
        self.scheme().map(|_| ())
    }

    /// The sampler with its options.
    pub(crate) fn scheme(&self) -> Result<Scheme> {
        let scheme = match SamplerInfo::find(&self.sampler)?.scheme {
            Scheme::Ddpm { .. } => Scheme::Ddpm { variance: self.variance.unwrap_or(Variance::FixedLarge) },
            Scheme::Langevin { relative_step, .. } => {
                Scheme::Langevin { relative_step: self.step_size.unwrap_or(relative_step), steps: self.steps }
            }
            Scheme::AnnealedLangevin { epsilon, steps } => Scheme::AnnealedLangevin {
                epsilon: self.step_size.unwrap_or(epsilon),
                steps: self.level_steps.unwrap_or(steps),
            },
            other => other,
        };
        let langevin = matches!(scheme, Scheme::Langevin { .. } | Scheme::AnnealedLangevin { .. });
        let annealed = matches!(scheme, Scheme::AnnealedLangevin { .. });
        let ancestral = matches!(scheme, Scheme::Ddpm { .. });
        for (key, given, ok, owner) in [
            ("variance", self.variance.is_some(), ancestral, "ddpm"),
            ("step_size", self.step_size.is_some(), langevin, "langevin or annealed-langevin"),
            ("level_steps", self.level_steps.is_some(), annealed, "annealed-langevin"),
        ] {
            ensure!(!given || ok, "sample.{key} belongs to the sampler {owner}, not to {}", self.sampler);
        }
        if let Scheme::Ddpm { variance: Variance::Analytic | Variance::LearnedRange } = scheme {
            bail!("sample.variance must be fixed-small or fixed-large for a network on vectors");
        }
        Ok(scheme)
    }
}
