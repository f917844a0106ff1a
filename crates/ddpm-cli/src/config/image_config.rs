//! The configuration of a run that trains a diffusion model on images.

use super::configuration::{Configuration, TaggedSection};
use super::data_config::ImageData;
use super::diffusion_config::DiffusionConfig;
use super::quality_config::QualityConfig;
use super::sample_config::SampleConfig;
use super::size_limits;
use crate::sampler_options::Origin;
use anyhow::{Result, ensure};
use ddpm_core::Scheme;
use ddpm_eval::EvalConfig;
use ddpm_nets::{UNet, UNetConfig};
use ddpm_train::{ImageDiffusion, LossConfig, TimesConfig, TrainConfig};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tch::Device;

/// A complete run. Each section is documented where it is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImageConfig {
    /// Which images.
    pub(crate) data: ImageData,
    /// The network.
    pub(crate) model: UNetConfig,
    /// The noising schedule and what the network predicts.
    #[serde(default)]
    pub(crate) diffusion: DiffusionConfig,
    /// How it is trained.
    #[serde(default)]
    pub(crate) train: TrainConfig,
    /// How it is sampled.
    #[serde(default)]
    pub(crate) sample: SampleConfig,
    /// What is measured.
    #[serde(default)]
    pub(crate) eval: EvalConfig,
    /// What is measured on samples.
    #[serde(default)]
    pub(crate) quality: QualityConfig,
}

impl Configuration for ImageConfig {
    const TRAINS: &'static str = "a diffusion model on images";
    const SAMPLE_DEFAULTS: &'static [(&'static str, i64)] = &[("preview_num", 16), ("preview_steps", 50)];
    const TAGGED: &'static [TaggedSection] = &[
        TaggedSection {
            path: ["train", "loss"],
            tag: "kind",
            kinds: LossConfig::KINDS,
            accepts: |section| section.try_into::<LossConfig>().is_ok(),
        },
        TaggedSection {
            path: ["train", "times"],
            tag: "sampler",
            kinds: TimesConfig::KINDS,
            accepts: |section| section.try_into::<TimesConfig>().is_ok(),
        },
    ];

    fn validate(&self) -> Result<()> {
        self.data.validate()?;
        self.model.validate()?;
        self.train.validate()?;
        self.eval.validate()?;
        size_limits::check_batch(&self.train, &self.model)?;
        let scheduler = self.diffusion.scheduler()?;
        ImageDiffusion::check(&self.train, &self.model, &scheduler)?;
        self.sample.validate(scheduler.noising().max_steps())?;
        self.quality.validate(scheduler.noising().max_steps(), self.train.evaluate_every)?;
        if let Some(weight) = self.sample.guidance {
            ensure!(
                self.model.num_class_embeds.is_some(),
                "sample.guidance has no effect on an unconditional model; set model.num_class_embeds"
            );
            ensure!(
                weight == 1.0 || self.train.label_dropout > 0.0,
                "sample.guidance = {weight} needs train.label_dropout above 0: without it nothing is learned for images without a class"
            );
        }
        self.sample.sampler.check_thresholding(self.diffusion.clip_sample, Origin::File)?;
        ensure!(
            !matches!(self.sample.scheme(scheduler.variance())?, Scheme::Langevin { .. }),
            "sample.sampler: langevin stays at one noise level and draws no images; use annealed-langevin or another sampler"
        );
        Ok(())
    }

    fn train(&self) -> &TrainConfig {
        &self.train
    }

    fn trained_part(&self) -> Self {
        ImageConfig {
            data: self.data.trained_part(),
            train: self.train.trained_part(),
            sample: SampleConfig::default(),
            eval: EvalConfig::default(),
            quality: QualityConfig::default(),
            ..self.clone()
        }
    }

    fn seeds(&mut self) -> Vec<&mut u64> {
        vec![&mut self.train.seed, &mut self.sample.seed, &mut self.eval.seed]
    }

    fn data_dir(&mut self) -> Option<&mut Option<PathBuf>> {
        Some(&mut self.data.dir)
    }

    fn parameters(&self) -> Result<u64> {
        Ok(UNet::new(self.model.clone(), Device::Cpu, 0)?.parameters().count())
    }
}
