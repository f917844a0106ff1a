//! The sampling stage: samples of the newest checkpoint, as files and pictures.

use crate::checkpoint_sampling::{ImageSampling, TRAJECTORY};
use crate::checkpoints::load_images;
use crate::image_model::{ImageModel, image_shape};
use crate::pictures;
use crate::run::Run;
use crate::runtime::StopFlag;
use crate::stage_marks::{self, Stage};
use anyhow::Result;
use ddpm_data::Dataset;
use ddpm_sample::NoiseInput;
use ddpm_sample::guidance::Interval;

/// Samples as `[sample]` says, unless that was done.
pub(super) fn sample_if_needed(run: &Run, dataset: &Dataset, stop: &StopFlag) -> Result<()> {
    let config = &run.config.sample;
    Stage::Sample.unless_done(run, &stage_marks::inputs(run, config)?, || {
        let dir = run.dir.latest();
        let checkpoint = load_images(&dir, run.device)?;
        let mut model = ImageModel::plain(&checkpoint, config.num);
        model.guidance = config.guidance.map(|weight| (weight, Interval::ALL));
        let job = ImageSampling {
            model,
            dir: &dir,
            scheme: config.scheme(checkpoint.scheduler.variance())?,
            steps: config.steps,
            grid: config.grid,
            at: None,
            tolerance: config.sampler.tolerance(),
            num: config.num,
            batch_size: config.batch_size,
            noise: NoiseInput::keyed(config.seed, &image_shape(&checkpoint)),
            record: TRAJECTORY,
        };
        let samples = job.run(run.device, stop)?;
        pictures::write_samples(&run.dir, &samples)?;
        pictures::write_data(&run.dir, dataset, config.num)?;
        pictures::write_forward(&run.dir, dataset, checkpoint.scheduler.schedule())
    })
}
