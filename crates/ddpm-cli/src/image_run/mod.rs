//! Runs that train a diffusion model on images: data, training, samples, evaluation, report.

mod estimate;
mod evaluate;
mod preview;
mod report;
mod samples;

pub(crate) use evaluate::measure;

use crate::config::{Configuration, ImageConfig, ImageData};
use crate::datasets::load_data;
use crate::run::Run;
use crate::runtime::StopFlag;
use crate::stages::Stages;
use crate::terminal_noise::warn_of_signal_in;
use crate::training;
use anyhow::{Context, Result};
use ddpm_core::Variance;
use ddpm_data::Dataset;
use ddpm_data::stream::{self, ImageSource, StreamedDataset};
use ddpm_train::{ImageDiffusion, Outcome, TrainingImages, check_images};
use preview::ImagePreview;
use std::path::PathBuf;

impl Stages for ImageConfig {
    type Data = Dataset;
    const HAS_REPORT: bool = true;

    fn load_data(run: &Run<Self>) -> Result<Dataset> {
        let data = &run.config.data;
        if data.stream { open_stream(data) } else { load_data(data.name, data.dir.as_deref()) }
    }

    fn train_model(run: &Run<Self>, dataset: &Dataset, resume: bool, stop: &StopFlag) -> Result<Outcome> {
        let config = &run.config;
        let scheduler = config.diffusion.scheduler()?;
        warn_of_signal_in(scheduler.schedule())?;
        let text = config.to_toml()?;
        let mut preview = ImagePreview::new(run, dataset.held_out.as_ref(), stop)?;
        let images = training_images(run, dataset)?;
        let model =
            ImageDiffusion::with_images(&config.train, &config.model, &scheduler, images, run.device)?;
        training::train(model, &config.train, &text, &run.dir, resume, Some(&mut preview), stop)
    }

    fn check_duration(run: &Run<Self>, dataset: &Dataset, done: u64) -> Result<()> {
        let steps_left = run.config.train.steps.saturating_sub(done);
        if !estimate::may_take_long(run, steps_left)? {
            return Ok(());
        }
        // A network that does not take the images is an error at once, not after the measured steps.
        check_images(&run.config.model, &training_images(run, dataset)?)?;
        estimate::check_duration(run, steps_left)
    }

    fn evaluate(run: &Run<Self>, dataset: &Dataset, stop: &StopFlag) -> Result<PathBuf> {
        if run.config.sample.sampler.variance == Some(Variance::Analytic) {
            // The analytic variance is fitted to the measured error.
            evaluate::evaluate_if_needed(run, dataset, stop)?;
        }
        samples::sample_if_needed(run, dataset, stop)?;
        evaluate::evaluate_if_needed(run, dataset, stop)?;
        report::write(run, dataset)
    }
}

/// Images of a streamed data set that are held in memory for evaluation and pictures.
const RESIDENT: usize = 10_000;

/// Opens images that stay on the disk; the data set then holds as many as evaluation needs, evenly chosen.
fn open_stream(data: &ImageData) -> Result<Dataset> {
    let streamed = stream(data)?;
    let some = |source: &dyn ImageSource| stream::resident(source, RESIDENT);
    let train = some(streamed.train.as_ref())?;
    let held_out = streamed.held_out.as_deref().map(some).transpose()?;
    note!(
        "data: {}, {} training images on the disk, {} of them and {} held-out images in memory",
        data.name,
        streamed.train.len(),
        train.len(),
        held_out.as_ref().map_or(0, ddpm_data::ImageSet::len)
    );
    Ok(Dataset { train, held_out })
}

fn stream(data: &ImageData) -> Result<StreamedDataset> {
    let remedy = "data.stream: expected a folder of images or tar shards in data.dir or --data-dir";
    Ok(stream::open(data.dir.as_deref().context(remedy)?)?)
}

/// The images that training reads: those of the data set, or those on the disk.
fn training_images(run: &Run, dataset: &Dataset) -> Result<TrainingImages> {
    let config = &run.config;
    let seed = config.train.seed;
    if config.data.stream {
        let train = stream(&config.data)?.train;
        return Ok(TrainingImages::from_disk(train, seed, run.device)?);
    }
    Ok(TrainingImages::on_device(&dataset.train, seed, run.device)?)
}
