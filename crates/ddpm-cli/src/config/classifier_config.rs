//! The configuration of a run that trains a classifier of images: `[classifier]` stands where a denoiser has `[model]`.

use super::configuration::Configuration;
use super::data_config::ImageData;
use super::diffusion_config::DiffusionConfig;
use super::size_limits;
use anyhow::{Result, bail, ensure};
use ddpm_core::Parameterization;
use ddpm_nets::unet::{ClassifierConfig as NetworkConfig, NoiseClassifier};
use ddpm_train::{LossConfig, TimesConfig, TrainConfig};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tch::Device;

/// A complete run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClassifierConfig {
    /// Train on the images without noise: such a classifier does not guide a model; its features compare sets of images.
    #[serde(default)]
    pub(crate) clean_images: bool,
    /// Which images.
    pub(crate) data: ImageData,
    /// The network.
    pub(crate) classifier: NetworkConfig,
    /// The noising process; that of the model to be guided.
    #[serde(default)]
    pub(crate) diffusion: DiffusionConfig,
    /// How it is trained.
    #[serde(default)]
    pub(crate) train: TrainConfig,
}

impl Configuration for ClassifierConfig {
    const TRAINS: &'static str = "a classifier of noised images";
    const SAMPLE_DEFAULTS: &'static [(&'static str, i64)] = &[];

    fn validate(&self) -> Result<()> {
        self.data.validate()?;
        self.classifier.validate()?;
        self.train.validate()?;
        let channels = &self.classifier.block_out_channels;
        size_limits::check_channels("classifier.block_out_channels", channels)?;
        let images = self.train.batch_size / self.train.accumulate.max(1);
        let widest = channels.iter().copied().max().unwrap_or(1);
        size_limits::check(
            "train.batch_size",
            &format!("one level of {images} images"),
            images as f64 * widest as f64,
        )?;
        let scheduler = self.diffusion.scheduler()?;
        if self.clean_images {
            ensure!(
                self.diffusion == DiffusionConfig::default() && self.train.times == TimesConfig::default(),
                "[diffusion] and train.times have no effect with clean_images = true; leave them out"
            );
        }
        for (key, every) in [
            ("train.sample_every", self.train.sample_every),
            ("train.validate_every", self.train.validate_every),
            ("train.evaluate_every", self.train.evaluate_every),
        ] {
            ensure!(every == 0, "{key} is for denoisers; a classifier has no samples");
        }
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

    fn train(&self) -> &TrainConfig {
        &self.train
    }

    fn trained_part(&self) -> Self {
        ClassifierConfig { data: self.data.trained_part(), train: self.train.trained_part(), ..self.clone() }
    }

    fn seeds(&mut self) -> Vec<&mut u64> {
        vec![&mut self.train.seed]
    }

    fn data_dir(&mut self) -> Option<&mut Option<PathBuf>> {
        Some(&mut self.data.dir)
    }

    fn parameters(&self) -> Result<u64> {
        Ok(NoiseClassifier::new(self.classifier.clone(), Device::Cpu, 0)?.parameters().count())
    }
}
