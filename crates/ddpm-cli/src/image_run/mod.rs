//! Runs that train a diffusion model on images: data, training, samples, evaluation, report.

mod estimate;
mod evaluate;
mod preview;
mod quality;
mod report;
mod samples;
mod split;

pub(crate) use evaluate::measure;

use crate::config::{Configuration, ImageConfig, ImageData};
use crate::datasets::{load_data, report_unread};
use crate::image_set_check::check_numbers;
use crate::run::Run;
use crate::runtime::StopFlag;
use crate::stages::Stages;
use crate::terminal_noise::warn_of_signal;
use crate::training::{self, Origin};
use anyhow::{Context, Result};
use ddpm_core::Variance;
use ddpm_data::stream::{self, ImageSource, StreamedDataset};
use ddpm_data::{Dataset, Fingerprint};
use ddpm_train::{ImageDiffusion, Outcome, TrainingImages, check_images};
use preview::ImagePreview;
use std::path::PathBuf;
use std::sync::Arc;

impl Stages for ImageConfig {
    type Data = RunImages;
    const HAS_REPORT: bool = true;

    fn load_data(run: &Run<Self>) -> Result<RunImages> {
        let data = &run.config.data;
        let images = if data.stream {
            RunImages::on_disk(data)?
        } else {
            let dataset = load_data(data.name, data.dir.as_deref(), &data.options())?;
            RunImages { dataset, streamed: None }
        };
        check_numbers(&images.dataset)?;
        quality::check_extractor(run)?;
        Ok(images)
    }

    fn train_model(run: &Run<Self>, data: &RunImages, resume: bool, stop: &StopFlag) -> Result<Outcome> {
        let config = &run.config;
        let scheduler = config.diffusion.scheduler()?;
        warn_of_signal(scheduler.noising())?;
        let text = config.to_toml()?;
        let mut preview = ImagePreview::new(run, &data.dataset, stop)?;
        let images = data.for_training(run)?;
        let model =
            ImageDiffusion::with_images(&config.train, &config.model, &scheduler, images, run.device)?;
        let fingerprint = data.fingerprint();
        let origin = Origin { config_toml: &text, images: Some(&fingerprint) };
        training::train(model, &config.train, origin, run, resume, Some(&mut preview), stop)
    }

    fn check_duration(run: &Run<Self>, data: &RunImages, done: u64, may_refuse: bool) -> Result<()> {
        let steps_left = run.config.train.steps.saturating_sub(done);
        if !estimate::may_take_long(run, steps_left)? {
            return Ok(());
        }
        // A network that does not take the images is an error at once, not after the measured steps.
        check_images(&run.config.model, &data.for_training(run)?)?;
        estimate::check_duration(run, steps_left, may_refuse)
    }

    fn evaluate(run: &Run<Self>, data: &RunImages, stop: &StopFlag) -> Result<PathBuf> {
        let dataset = &data.dataset;
        if run.config.sample.sampler.variance == Some(Variance::Analytic) {
            // The analytic variance is fitted to the measured error.
            evaluate::evaluate_if_needed(run, dataset, stop)?;
        }
        samples::sample_if_needed(run, dataset, stop)?;
        evaluate::evaluate_if_needed(run, dataset, stop)?;
        quality::measure_if_needed(run, dataset, stop)?;
        split::split_if_needed(run, dataset, stop)?;
        if !run.workers.is_first() {
            return Ok(run.dir.report());
        }
        report::write(run, dataset)
    }
}

/// Images of a streamed data set that are held in memory for evaluation and pictures.
const RESIDENT: usize = 10_000;

/// The images of a run.
#[derive(Debug)]
pub(crate) struct RunImages {
    /// In memory; of images that stay on the disk as many as evaluation needs, evenly chosen.
    dataset: Dataset,
    /// The training images on the disk.
    streamed: Option<Arc<dyn ImageSource>>,
}

impl RunImages {
    /// Opens images that stay on the disk.
    fn on_disk(data: &ImageData) -> Result<Self> {
        let remedy = "data.stream: expected a folder of images or tar shards in data.dir or --data-dir";
        let StreamedDataset { train: streamed, held_out, unread } =
            stream::open(data.dir.as_deref().context(remedy)?, &data.options())?;
        report_unread(&unread);
        let some = |source: &dyn ImageSource| stream::resident(source, RESIDENT);
        let train = some(streamed.as_ref())?;
        let held_out = held_out.as_deref().map(some).transpose()?;
        note!(
            "data: {}, {} training images on the disk, {} of them and {} held-out images in memory",
            data.name,
            streamed.len(),
            train.len(),
            held_out.as_ref().map_or(0, ddpm_data::ImageSet::len)
        );
        Ok(RunImages { dataset: Dataset { train, held_out }, streamed: Some(streamed) })
    }

    /// The images that training reads, in memory or on the disk.
    fn for_training(&self, run: &Run) -> Result<TrainingImages> {
        let seed = run.config.train.seed;
        Ok(match &self.streamed {
            Some(streamed) => TrainingImages::from_disk(Arc::clone(streamed), seed, run.device)?,
            None => TrainingImages::on_device(&self.dataset.train, seed, run.device)?,
        })
    }

    fn fingerprint(&self) -> Fingerprint {
        self.streamed
            .as_ref()
            .map_or_else(|| self.dataset.train.fingerprint(), |images| images.fingerprint().clone())
    }
}
