//! Runs that train a classifier of noised or of clean images.

use crate::config::{ClassifierConfig, Configuration};
use crate::datasets::load_data;
use crate::image_set_check::check_numbers;
use crate::run::Run;
use crate::runtime::StopFlag;
use crate::stages::Stages;
use crate::training::{self, Origin};
use anyhow::{Result, bail};
use ddpm_data::Dataset;
use ddpm_train::{ImageClassification, Outcome, TrainingImages};
use std::path::PathBuf;

impl Stages for ClassifierConfig {
    type Data = Dataset;
    const HAS_REPORT: bool = false;

    fn load_data(run: &Run<Self>) -> Result<Dataset> {
        let data = &run.config.data;
        let dataset = load_data(data.name, data.dir.as_deref(), &data.options())?;
        check_numbers(&dataset)?;
        Ok(dataset)
    }

    fn train_model(run: &Run<Self>, dataset: &Dataset, resume: bool, stop: &StopFlag) -> Result<Outcome> {
        let config = &run.config;
        let scheduler = if config.clean_images { None } else { Some(config.diffusion.scheduler()?) };
        let images = TrainingImages::on_device(&dataset.train, config.train.seed, run.device)?;
        let model = ImageClassification::new(
            &config.train,
            &config.classifier,
            scheduler.as_ref(),
            images,
            run.device,
        )?;
        let images = dataset.train.fingerprint();
        let origin = Origin { config_toml: &config.to_toml()?, images: Some(&images) };
        training::train(model, &config.train, origin, run, resume, None, stop)
    }

    fn evaluate(_: &Run<Self>, _: &Dataset, _: &StopFlag) -> Result<PathBuf> {
        bail!("a classifier has no stages after training")
    }
}
