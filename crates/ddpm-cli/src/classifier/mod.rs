//! Runs that train a classifier of noised images, and what guidance by its result needs.

mod config;
mod guide;

pub(crate) use config::ClassifierRunConfig;
pub(crate) use guide::Guide;

use crate::config::{AnyConfig, check_unchanged, parse_any};
use crate::datasets::load_data;
use crate::global_options::Global;
use crate::pipeline::{conclude, run_trainer};
use crate::runtime::StopFlag;
use anyhow::{Context, Result, bail};
use ddpm_train::{ImageClassification, RunDir, Trainer, TrainingImages};
use std::path::{Path, PathBuf};
use tch::Device;

/// A run: its configuration, where its results go, and where it computes.
pub(crate) struct ClassifierRun {
    config: ClassifierRunConfig,
    dir: RunDir,
    device: Device,
}

impl ClassifierRun {
    /// A run in `folder`, or in `runs/NAME`. `--seed` and `--data-dir` overrule the configuration.
    pub(crate) fn new(
        name: &str,
        mut config: ClassifierRunConfig,
        folder: Option<PathBuf>,
        global: &Global,
        data_dir: Option<&Path>,
        device: Device,
    ) -> Self {
        config.train.seed = global.seed.unwrap_or(config.train.seed);
        config.data.dir = data_dir.map(Path::to_path_buf).or(config.data.dir);
        let folder = folder.unwrap_or_else(|| Path::new("runs").join(name));
        ClassifierRun { config, dir: RunDir::new(folder), device }
    }

    /// Training; prints the checkpoint.
    pub(crate) fn train(&self, resume: bool) -> Result<()> {
        if resume {
            self.check_unchanged()?;
        }
        let config = &self.config;
        let stop = StopFlag::install()?;
        let dataset = load_data(config.data.name, config.data.dir.as_deref())?;
        let scheduler = config.diffusion.scheduler()?;
        let images = TrainingImages::on_device(&dataset.train, config.train.seed, self.device)?;
        let model =
            ImageClassification::new(&config.train, &config.classifier, &scheduler, images, self.device)?;
        let text = config.to_toml()?;
        let mut trainer = Trainer::new(&config.train, model, &text, &self.dir, resume)?;
        conclude(run_trainer(&mut trainer, &config.train, None, &stop)?, &self.dir)
    }

    /// Refuses to go on with a run that was begun under other settings.
    fn check_unchanged(&self) -> Result<()> {
        let path = self.dir.config();
        if !path.exists() {
            return Ok(());
        }
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        match parse_any(&text, &[]).with_context(|| path.display().to_string())? {
            AnyConfig::Classifier(old) => check_unchanged(&*old, &self.config, &old.train, self.dir.root()),
            _ => bail!("{} holds no run of a classifier; choose another --run", self.dir.root().display()),
        }
    }
}
