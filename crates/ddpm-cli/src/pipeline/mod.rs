//! The pipeline behind `ddpm reproduce`: data, train, sample, evaluate, decompose, report. A straight line; each stage is skipped when its result is
//! complete, so a rerun goes on where the last one stopped.

mod decomposition;
mod estimate;
mod evaluate;
pub(crate) mod pictures;
mod report;
mod sampling;
mod spectrum;
mod stage;
mod training;
mod watch;

pub(crate) use decomposition::decompose;
pub(crate) use estimate::{estimate, may_take_long};
pub(crate) use sampling::{Job, TRAJECTORY, default_labels, image_shape, own_threshold, sample_checkpoint};
pub(crate) use spectrum::LazySpectrum;
pub(crate) use training::{conclude, run_trainer, train};

use crate::config::{self, Named};
use crate::datasets::load_data;
use crate::exit::Interrupted;
use crate::global_options::Global;
use crate::runtime::StopFlag;
use anyhow::{Context, Result};
use ddpm_data::Dataset;
use ddpm_data::stream::{self, ImageSource, StreamedDataset};
use ddpm_train::{Outcome, RunDir, TrainingImages};
use std::path::{Path, PathBuf};
use tch::Device;

/// A configuration, where its results go, and where it computes.
#[derive(Debug)]
pub(crate) struct Run {
    /// The configuration.
    pub(crate) named: Named,
    /// The run directory.
    pub(crate) dir: RunDir,
    /// The device.
    pub(crate) device: Device,
}

impl Run {
    /// A run in `folder`, or in `runs/NAME`.
    pub(crate) fn new(named: Named, folder: Option<PathBuf>, device: Device) -> Self {
        let folder = folder.unwrap_or_else(|| Path::new("runs").join(&named.name));
        Run { named, dir: RunDir::new(folder), device }
    }

    /// Refuses to go on with a run that was begun under other settings.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        let path = self.dir.config();
        if !path.exists() {
            return Ok(());
        }
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let old = config::parse(&text, &[]).with_context(|| path.display().to_string())?;
        config::check_unchanged(&old, &self.named.config, &old.train, self.dir.root())
    }

    /// Loads the data, fetching it first where that is needed.
    pub(crate) fn load_data(&self) -> Result<Dataset> {
        let data = &self.named.config.data;
        if data.stream { self.open_stream(data) } else { load_data(data.name, data.dir.as_deref()) }
    }
}

/// Images of a streamed data set that are held in memory for evaluation and pictures.
const RESIDENT: usize = 10_000;

impl Run {
    /// Opens images that stay on the disk; the data set then holds as many as evaluation needs, evenly chosen.
    fn open_stream(&self, data: &config::DataConfig) -> Result<Dataset> {
        let streamed = self.stream(data)?;
        let some = |source: &dyn ImageSource| stream::resident(source, RESIDENT);
        let train = some(streamed.train.as_ref())?;
        let held_out = streamed.held_out.as_deref().map(some).transpose()?;
        eprintln!(
            "data: {}, {} training images on the disk, {} of them and {} held-out images in memory",
            data.name,
            streamed.train.len(),
            train.len(),
            held_out.as_ref().map_or(0, ddpm_data::ImageSet::len)
        );
        Ok(Dataset { train, held_out })
    }

    fn stream(&self, data: &config::DataConfig) -> Result<StreamedDataset> {
        let remedy = "data.stream: expected a folder of images or tar shards in data.dir or --data-dir";
        Ok(stream::open(data.dir.as_deref().context(remedy)?)?)
    }

    /// The images that training reads: those of the data set, or those on the disk.
    fn training_images(&self, dataset: &Dataset) -> Result<TrainingImages> {
        let config = &self.named.config;
        let seed = config.train.seed;
        if config.data.stream {
            let train = self.stream(&config.data)?.train;
            return Ok(TrainingImages::from_disk(train, seed, self.device)?);
        }
        Ok(TrainingImages::on_device(&dataset.train, seed, self.device)?)
    }
}

/// Lets the command line's common options overrule the configuration.
pub(crate) fn override_from(config: &mut config::Config, global: &Global, data_dir: Option<&Path>) {
    if let Some(seed) = global.seed {
        (config.train.seed, config.sample.seed, config.eval.seed) = (seed, seed, seed);
    }
    if let Some(dir) = data_dir {
        config.data.dir = Some(dir.to_path_buf());
    }
}

/// All stages after the data; returns the report's path.
pub(crate) fn reproduce(run: &Run, dataset: &Dataset, stop: &StopFlag) -> Result<PathBuf> {
    if let Outcome::Interrupted { step } = training::train_if_needed(run, dataset, stop)? {
        let remedy = "the same command goes on".to_string();
        return Err(Interrupted { step, remedy }.into());
    }
    sampling::sample_if_needed(run, dataset, stop)?;
    let mut spectrum = LazySpectrum::new(dataset);
    evaluate::evaluate_if_needed(run, dataset, &mut spectrum, stop)?;
    decomposition::decompose_if_needed(run, dataset, &mut spectrum, stop)?;
    report::write(run, dataset)
}
