//! Runs that train a classifier of noised images.

use crate::config::{ClassifierConfig, Configuration};
use crate::datasets::load_data;
use crate::run::Run;
use crate::runtime::StopFlag;
use crate::stages::Stages;
use crate::training;
use anyhow::{Result, bail};
use ddpm_data::Dataset;
use ddpm_train::{ImageClassification, Outcome, TrainingImages};
use std::path::PathBuf;

impl Stages for ClassifierConfig {
    type Data = Dataset;
    const HAS_REPORT: bool = false;

    fn load_data(run: &Run<Self>) -> Result<Dataset> {
        load_data(run.config.data.name, run.config.data.dir.as_deref())
    }

    fn train_model(run: &Run<Self>, dataset: &Dataset, resume: bool, stop: &StopFlag) -> Result<Outcome> {
        let config = &run.config;
        let scheduler = config.diffusion.scheduler()?;
        let images = TrainingImages::on_device(&dataset.train, config.train.seed, run.device)?;
        let model =
            ImageClassification::new(&config.train, &config.classifier, &scheduler, images, run.device)?;
        training::train(model, &config.train, &config.to_toml()?, &run.dir, resume, None, stop)
    }

    fn evaluate(_: &Run<Self>, _: &Dataset, _: &StopFlag) -> Result<PathBuf> {
        bail!("a classifier has no stages after training")
    }
}
