//! Sampling a checkpoint, for the pipeline and for `ddpm sample`.

use super::Run;
use super::pictures;
use super::stage::{self, Stage};
use crate::checkpoints::load_images;
use crate::classifier::Guide;
use crate::progress::{Progress, human_seconds};
use crate::runtime::StopFlag;
use anyhow::{Result, ensure};
use ddpm_core::grid::Grid;
use ddpm_core::scheme::{Scheme, Trajectory};
use ddpm_core::{Level, Variance};
use ddpm_data::{Dataset, Split};
use ddpm_nets::checkpoint::{Checkpoint, SchedulerConfig};
use ddpm_nets::{Denoiser, NetworkDenoiser};
use ddpm_report::results::DenoisingError;
use ddpm_sample::guidance::{ClassifierFree, ClassifierGuided, Interval, NetworkClassifier};
use ddpm_sample::{NoiseInput, Options, Record, Samples, Threshold, sample_batches, sample_on_grid};
use std::path::Path;
use std::time::Instant;
use tch::{Device, Tensor};

/// What to sample from a checkpoint.
pub(crate) struct Job<'a> {
    /// The sampler with its options.
    pub(crate) scheme: Scheme,
    /// Levels visited.
    pub(crate) steps: usize,
    /// Which ones.
    pub(crate) grid: Grid,
    /// Number of images.
    pub(crate) num: u64,
    /// Images at once.
    pub(crate) batch_size: u64,
    /// Starting states and noise.
    pub(crate) noise: NoiseInput,
    /// A class for each image; none for an unconditional model.
    pub(crate) labels: Option<&'a [i64]>,
    /// Weight of classifier-free guidance (1 is the conditional model) and where it acts; none evaluates the model alone.
    pub(crate) guidance: Option<(f64, Interval)>,
    /// A classifier that guides, with a class for each image.
    pub(crate) guide: Option<(&'a Guide, &'a [i64])>,
    /// Which states to keep.
    pub(crate) record: Record,
}

/// What a checkpoint's authors do to a predicted x_0.
pub(crate) fn own_threshold(scheduler: &SchedulerConfig) -> Threshold {
    if scheduler.thresholding {
        Threshold::Dynamic { quantile: scheduler.dynamic_thresholding_ratio, cap: scheduler.sample_max_value }
    } else if scheduler.clip_sample {
        Threshold::Clip { range: scheduler.clip_sample_range }
    } else {
        Threshold::None
    }
}

/// One class an image, round robin, the null class (the last) left out; none for an unconditional model.
pub(crate) fn default_labels(checkpoint: &Checkpoint, num: u64) -> Option<Vec<i64>> {
    let classes = checkpoint.network.config().num_class_embeds?;
    let real = (classes - 1).max(1);
    Some((0..num as i64).map(|i| i % real).collect())
}

/// Samples images from a checkpoint, with a progress bar. `dir` is where the checkpoint came from: the analytic variance reads its stored
/// errors.
pub(crate) fn sample_checkpoint(
    checkpoint: &Checkpoint,
    dir: &Path,
    device: Device,
    job: &Job<'_>,
    stop: &StopFlag,
) -> Result<Samples> {
    let (schedule, timesteps) = checkpoint.scheduler.visit(job.grid, job.steps)?;
    let mut trajectory = Trajectory::discrete(&schedule, &timesteps)?;
    if job.scheme == (Scheme::Ddpm { variance: Variance::Analytic }) {
        trajectory = trajectory.with_mse(stored_mse(dir, &schedule.visited(&timesteps)?)?)?;
    }
    let options =
        Options { threshold: own_threshold(&checkpoint.scheduler), record: job.record, ..Options::default() };
    let begun = Instant::now();
    let batches = job.num.div_ceil(job.batch_size);
    let mut progress = Progress::new("sample", "steps", 0, batches * trajectory.steps() as u64);
    let mut done = 0u64;
    let samples = sample_batches(job.num, job.batch_size, |images| {
        let labels = job.labels.map(|labels| {
            Tensor::from_slice(&labels[images.start as usize..images.end as usize]).to_device(device)
        });
        let network = |labels| {
            NetworkDenoiser::new(&checkpoint.network, checkpoint.scheduler.parameterization(), labels)
        };
        let conditional = |x_t: &Tensor, level: &Level, labels: &Tensor| {
            network(Some(labels.shallow_clone())).predict(x_t, level)
        };
        let no_class = checkpoint.network.config().num_class_embeds.unwrap_or(1) - 1;
        let denoiser: Box<dyn Denoiser> = match (labels, job.guidance) {
            (Some(labels), Some((weight, interval))) => {
                Box::new(ClassifierFree::new(&conditional, labels, no_class, weight, interval))
            }
            (labels, _) => Box::new(network(labels)),
        };
        let classes = job.guide.map(|(guide, classes)| {
            let classes = &classes[images.start as usize..images.end as usize];
            let labels = Tensor::from_slice(classes).to_device(device);
            let shown = guide.classifier.scheduler.parameterization();
            (NetworkClassifier::new(&guide.classifier.network, shown, labels), guide.scale)
        });
        let guided = classes.as_ref().map(|(classifier, scale)| {
            ClassifierGuided::new(denoiser.as_ref(), classifier, *scale, Interval::ALL)
        });
        let denoiser: &dyn Denoiser = match &guided {
            Some(guided) => guided,
            None => denoiser.as_ref(),
        };
        let mut noise = job.noise.batch(images, device)?;
        let mut report = |_: &ddpm_sample::Progress| {
            done += 1;
            progress.set(done, String::new);
            stop.flow()
        };
        let grid = job.grid;
        sample_on_grid(denoiser, &job.scheme, &schedule, grid, &trajectory, &mut noise, &options, &mut report)
    })?;
    progress.finish(&format!(
        "{} images with {}, {} evaluations, {}",
        job.num,
        job.scheme.name(),
        samples.evaluations,
        human_seconds(begun.elapsed().as_secs_f64())
    ));
    Ok(samples)
}

/// The stored mean-square error per component at each visited level.
fn stored_mse(dir: &Path, visited: &[Level]) -> Result<Vec<f64>> {
    let error = DenoisingError::read(dir)?;
    // The error on images that were not trained on, where there are any.
    let split = if error.curve(Split::HeldOut).is_empty() { Split::Train } else { Split::HeldOut };
    visited
        .iter()
        .map(|level| {
            let mse = error.mse_at(split, level);
            ensure!(mse.is_some(), "{}: no error stored near {:?}", dir.display(), level.time());
            Ok(mse.unwrap_or_default() / error.dim as f64)
        })
        .collect()
}

/// The shape [channels, height, width] of a checkpoint's images.
pub(crate) fn image_shape(checkpoint: &Checkpoint) -> [i64; 3] {
    let config = checkpoint.network.config();
    let [height, width] = config.sample_size.height_width();
    [config.in_channels, height, width]
}

/// Frames and images of the trajectory picture.
pub(crate) const TRAJECTORY: Record = Record { frames: 11, images: 8 };

/// The sampling stage of the pipeline.
pub(super) fn sample_if_needed(run: &Run, dataset: &Dataset, stop: &StopFlag) -> Result<()> {
    let config = &run.named.config.sample;
    Stage::Sample.unless_done(run, &stage::inputs(run, config)?, || {
        let dir = run.dir.latest();
        let checkpoint = load_images(&dir, run.device)?;
        let labels = default_labels(&checkpoint, config.num);
        let job = Job {
            scheme: config.scheme(checkpoint.scheduler.variance())?,
            steps: config.steps,
            grid: config.grid.unwrap_or(checkpoint.scheduler.spacing()),
            num: config.num,
            batch_size: config.batch_size,
            noise: NoiseInput::keyed(config.seed, &image_shape(&checkpoint)),
            labels: labels.as_deref(),
            guidance: config.guidance.filter(|_| labels.is_some()).map(|weight| (weight, Interval::ALL)),
            guide: None,
            record: TRAJECTORY,
        };
        let samples = sample_checkpoint(&checkpoint, &dir, run.device, &job, stop)?;
        pictures::write_samples(&run.dir, &samples)?;
        pictures::write_data(&run.dir, dataset, config.num)?;
        pictures::write_forward(&run.dir, dataset, &checkpoint.schedule)
    })
}
