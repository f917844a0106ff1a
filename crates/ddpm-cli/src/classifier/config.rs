//! The configuration of a run that trains a classifier: `[classifier]` stands where a denoiser has `[model]`.

use crate::config::{DataConfig, DiffusionConfig};
use anyhow::{Context, Result, bail, ensure};
use ddpm_core::Parameterization;
use ddpm_nets::unet::ClassifierConfig;
use ddpm_train::{LossConfig, TimesConfig, TrainConfig};
use serde::{Deserialize, Serialize};

/// A complete run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClassifierRunConfig {
    /// Which images.
    pub(crate) data: DataConfig,
    /// The network.
    pub(crate) classifier: ClassifierConfig,
    /// The noising process; that of the model to be guided.
    #[serde(default)]
    pub(crate) diffusion: DiffusionConfig,
    /// How it is trained.
    #[serde(default)]
    pub(crate) train: TrainConfig,
}

impl ClassifierRunConfig {
    /// Checks every section.
    pub(crate) fn validate(&self) -> Result<()> {
        self.classifier.validate()?;
        self.train.validate()?;
        let scheduler = self.diffusion.scheduler()?;
        ensure!(!self.data.stream, "data.stream is for denoisers; a classifier's images are held in memory");
        ensure!(
            self.train.loss == LossConfig::default() && self.train.label_dropout == 0.0,
            "train.loss and train.label_dropout are for denoisers; a classifier is trained on its cross-entropy"
        );
        let edm = matches!(scheduler.parameterization(), Parameterization::Edm(_));
        match self.train.times {
            TimesConfig::Importance { .. } => {
                bail!("train.times.sampler: importance is for denoisers; use uniform or stratified")
            }
            TimesConfig::LogNormal { .. } if !edm => {
                bail!("train.times.sampler: log-normal takes diffusion.prediction = \"edm\"")
            }
            _ => Ok(()),
        }
    }

    /// The whole configuration, defaults included.
    pub(crate) fn to_toml(&self) -> Result<String> {
        toml::to_string(self).context("the configuration cannot be written as TOML")
    }
}
