//! The sampling stage: samples of the newest checkpoint, as files and pictures.

use crate::checkpoint_sampling::{ImageSampling, TRAJECTORY};
use crate::checkpoints::load_images;
use crate::image_model::{ImageModel, image_shape};
use crate::pictures::{self, Pictures};
use crate::run::Run;
use crate::runtime::StopFlag;
use crate::sample_files::{SampleFiles, network_digest, settings};
use crate::stage_marks::{self, Stage};
use anyhow::Result;
use ddpm_data::Dataset;
use ddpm_data::samples::{Existing, SampleFormat};
use ddpm_sample::NoiseInput;
use ddpm_sample::guidance::Interval;
use serde_json::json;

/// Samples as `[sample]` says, unless that was done.
pub(super) fn sample_if_needed(run: &Run, dataset: &Dataset, stop: &StopFlag) -> Result<()> {
    let config = &run.config.sample;
    Stage::Sample.unless_done(run, &stage_marks::inputs(run, config)?, || {
        let dir = run.dir.latest();
        let checkpoint = load_images(&dir, run.device)?;
        let mut model = ImageModel::plain(&checkpoint);
        let classes = model.labels.clone();
        model.guidance = config.guidance.map(|weight| (weight, Interval::ALL));
        let shape = image_shape(&checkpoint);
        let job = ImageSampling {
            model,
            dir: &dir,
            scheme: config.scheme(checkpoint.scheduler.variance())?,
            steps: config.steps,
            grid: config.grid,
            chosen: None,
            at: None,
            tolerance: config.sampler.tolerance(),
            num: config.num,
            batch_size: config.batch_size,
            noise: NoiseInput::keyed(config.seed, &shape),
            threshold: None,
            known: None,
            record: TRAJECTORY,
        }
        .job()?;
        let folder = run.dir.samples().join("images");
        if run.workers.is_first() {
            std::fs::create_dir_all(run.dir.samples())?;
        }
        let files = SampleFiles {
            path: &folder,
            format: SampleFormat::Png,
            // The folder is the run's.
            existing: Existing::Replace,
            model: settings([("checkpoint", network_digest(&dir)?), ("guidance", json!(config.guidance))]),
            source: settings([("checkpoint", json!(dir))]),
            scale: 1.0,
            shape: shape.to_vec(),
            classes,
        };
        if let Some(first) = files.write(&job, run.device, stop, &run.workers)? {
            pictures::write_trajectory(&Pictures::of(&run.dir).trajectory, &first, TRAJECTORY)?;
        }
        if !run.workers.is_first() {
            return Ok(());
        }
        pictures::write_sample_grid(&run.dir, config.num)?;
        pictures::write_data(&run.dir, dataset, config.num)?;
        pictures::write_forward(&run.dir, dataset, checkpoint.scheduler.schedule())
    })
}
