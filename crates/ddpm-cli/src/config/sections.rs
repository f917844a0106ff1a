//! The sections that no library owns: which data, which process, how to sample.

use anyhow::{Result, ensure};
use ddpm_core::grid::Grid;
use ddpm_core::schedule::ScheduleConfig;
use ddpm_core::scheme::{SamplerInfo, Scheme};
use ddpm_core::{Parameterization, Preconditioning, PredictionKind, Variance};
use ddpm_data::DatasetName;
use ddpm_nets::checkpoint::{SchedulerConfig, VarianceType};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[data]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataConfig {
    /// The data set.
    pub(crate) name: DatasetName,
    /// A local folder instead of fetching.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dir: Option<PathBuf>,
    /// Leave the images (an image folder or tar shards) on the disk and read them ahead of the steps: for sets larger than memory.
    #[serde(default)]
    pub(crate) stream: bool,
}

impl DataConfig {
    /// Only images in files can be streamed.
    pub(crate) fn validate(&self) -> Result<()> {
        ensure!(
            !self.stream || self.name == DatasetName::ImageFolder,
            "data.stream: {} is always held in memory; expected data.name = \"image-folder\"",
            self.name
        );
        Ok(())
    }
}

/// What a network predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Prediction {
    /// The noise.
    Epsilon,
    /// The clean data.
    X0,
    /// The velocity alpha eps - sigma x_0.
    V,
    /// The score of the noised law.
    Score,
    /// EDM's F, the network between scaled input and output; with the schedule `karras`.
    Edm,
}

/// `[diffusion]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DiffusionConfig {
    /// What the network predicts.
    pub(crate) prediction: Prediction,
    /// Standard deviation of the data, for prediction `edm`; 0.5 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sigma_data: Option<f64>,
    /// Variance of an ancestral step. With `learned-range` the network has twice the output channels.
    pub(crate) variance: Variance,
    /// Clip the predicted x_0 to [-1, 1] while sampling.
    pub(crate) clip_sample: bool,
    /// The noising process.
    pub(crate) schedule: ScheduleConfig,
}

impl Default for DiffusionConfig {
    /// Ho et al. 2020's.
    fn default() -> Self {
        DiffusionConfig {
            prediction: Prediction::Epsilon,
            sigma_data: None,
            variance: Variance::FixedLarge,
            clip_sample: true,
            schedule: ScheduleConfig::default(),
        }
    }
}

impl DiffusionConfig {
    /// The part of a checkpoint that stands for this section.
    pub(crate) fn scheduler(&self) -> Result<SchedulerConfig> {
        let variance = match self.variance {
            Variance::FixedSmall => VarianceType::FixedSmall,
            Variance::FixedLarge => VarianceType::FixedLarge,
            Variance::LearnedRange => VarianceType::LearnedRange,
            Variance::Analytic => anyhow::bail!(
                "diffusion.variance: analytic is a choice when sampling (sample.variance); a checkpoint stores fixed-small, fixed-large or learned-range"
            ),
        };
        let parameterization = self.parameterization()?;
        Ok(SchedulerConfig::new(
            &self.schedule,
            parameterization,
            Grid::Trailing,
            variance,
            self.clip_sample,
        )?)
    }

    fn parameterization(&self) -> Result<Parameterization> {
        let default = Preconditioning::default();
        ensure!(
            self.sigma_data.is_none() || self.prediction == Prediction::Edm,
            "diffusion.sigma_data belongs to prediction \"edm\""
        );
        Ok(match self.prediction {
            Prediction::Epsilon => PredictionKind::Epsilon.into(),
            Prediction::X0 => PredictionKind::X0.into(),
            Prediction::V => PredictionKind::V.into(),
            Prediction::Score => PredictionKind::Score.into(),
            Prediction::Edm => Parameterization::Edm(Preconditioning {
                sigma_data: self.sigma_data.unwrap_or(default.sigma_data),
            }),
        })
    }
}

/// `[sample]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SampleConfig {
    /// Number of images.
    pub(crate) num: u64,
    /// The sampler's name; `ddpm sample --list-samplers` lists them.
    pub(crate) sampler: String,
    /// Levels visited.
    pub(crate) steps: usize,
    /// Which levels; none for the checkpoint's own choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) grid: Option<Grid>,
    /// Variance of an ancestral step; none for the checkpoint's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) variance: Option<Variance>,
    /// Weight of classifier-free guidance for a class-conditional model: 1 is the model itself, which none means too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) guidance: Option<f64>,
    /// Images sampled at once.
    pub(crate) batch_size: u64,
    /// Images in the pictures that `train.sample_every` asks for.
    pub(crate) preview_num: u64,
    /// Levels visited for those, by DDIM.
    pub(crate) preview_steps: usize,
    /// Seed of the starting states and the noise.
    pub(crate) seed: u64,
}

impl Default for SampleConfig {
    fn default() -> Self {
        SampleConfig {
            num: 64,
            sampler: "ddpm".to_string(),
            steps: 1000,
            grid: None,
            variance: None,
            guidance: None,
            batch_size: 64,
            preview_num: 16,
            preview_steps: 50,
            seed: 0,
        }
    }
}

impl SampleConfig {
    /// Checks the settings against the number of training levels.
    pub(crate) fn validate(&self, train_steps: usize) -> Result<()> {
        ensure!(self.num >= 1, "sample.num must be at least 1, got {}", self.num);
        ensure!(self.batch_size >= 1, "sample.batch_size must be at least 1, got {}", self.batch_size);
        ensure!(
            (1..=train_steps).contains(&self.steps),
            "sample.steps must lie between 1 and the {train_steps} training levels, got {}",
            self.steps
        );
        ensure!(self.preview_num >= 1, "sample.preview_num must be at least 1, got {}", self.preview_num);
        ensure!(
            self.preview_steps >= 1,
            "sample.preview_steps must be at least 1, got {}",
            self.preview_steps
        );
        SamplerInfo::find(&self.sampler)?;
        if let Some(weight) = self.guidance {
            ensure!(weight.is_finite(), "sample.guidance must be finite, got {weight}");
        }
        Ok(())
    }

    /// The sampler with its options; `variance` is the checkpoint's own.
    pub(crate) fn scheme(&self, variance: Variance) -> Result<Scheme> {
        let info = SamplerInfo::find(&self.sampler)?;
        Ok(match info.scheme {
            Scheme::Ddpm { .. } => Scheme::Ddpm { variance: self.variance.unwrap_or(variance) },
            other => other,
        })
    }
}
