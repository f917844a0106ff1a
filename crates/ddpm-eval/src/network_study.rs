//! What is studied of a trained network, and the one measurement that all results come from.

use crate::measurement::{
    DecoderAt, EmpiricalDenoiser, LevelPlan, Measurement, SplitErrors, ThresholdedDenoiser, TrainedNetwork,
};
use crate::{EvalConfig, EvalError};
use ddpm_core::decomposition::{Decoder, decoder_variance};
use ddpm_core::{ChosenLevels, Grid, Schedule, TimeIndex, Variance};
use ddpm_data::{Dataset, Split};
use ddpm_nets::checkpoint::Checkpoint;
use std::ops::ControlFlow;
use tch::Device;
use torch_ext::dist::Workers;

/// How a network is sampled and what it was trained on, as far as its checkpoint does not say.
#[derive(Clone, Debug, Default)]
pub struct StudySettings {
    /// The grid of the visited levels; the checkpoint's own if absent.
    pub grid: Option<Grid>,
    /// Number of visited levels.
    pub steps: usize,
    /// The levels themselves, in the place of a grid and a number.
    pub chosen: Option<ChosenLevels>,
    /// The variance of the sampler's steps; the checkpoint's own if absent.
    pub variance: Option<Variance>,
    /// Whether the network was trained on mirror images too.
    pub flips: bool,
}

/// Names that the results carry.
#[derive(Clone, Debug, Default)]
pub struct StudyNames {
    /// The checkpoint.
    pub checkpoint: String,
    /// The reference checkpoint.
    pub reference: Option<String>,
    /// The data set.
    pub data: String,
    /// The schedule.
    pub schedule: String,
}

/// A network, how it is sampled, and how it was trained.
#[derive(Debug)]
pub struct NetworkStudy<'a> {
    /// The network.
    pub network: ThresholdedDenoiser<'a>,
    /// A better network, as a floor on held-out images.
    pub reference: Option<ThresholdedDenoiser<'a>>,
    /// The schedule of both.
    pub schedule: Schedule,
    /// The visited timesteps, the noisiest first.
    pub timesteps: Vec<TimeIndex>,
    /// The grid that they are from.
    pub grid: Grid,
    /// Whether they were chosen one by one instead.
    pub chosen: bool,
    /// The variance of the steps that are decomposed.
    pub variance: Variance,
    /// The sampler's own variance, where it cannot be decomposed and `variance` stands in its place.
    pub replaced_variance: Option<Variance>,
    /// Whether the network was trained on mirror images too.
    pub flips: bool,
    /// Whether it is conditioned on each image's class.
    pub by_class: bool,
    /// Names that the results carry.
    pub names: StudyNames,
    /// The processes that share the measured images, all of which get the whole measurement; this one alone unless told otherwise.
    pub workers: Workers,
}

/// How far a measurement is, in denoised images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Denoised so far.
    pub done: u64,
    /// To be denoised in all.
    pub total: u64,
}

/// Everything that was measured on a network, image by image.
#[derive(Clone, Debug)]
pub struct MeasuredErrors {
    /// Levels of the schedule, those visited and those measured.
    pub plan: LevelPlan,
    /// The errors on each split, held-out images first where there are any.
    pub splits: Vec<SplitErrors>,
    /// What a fitted variance is fitted to, for [`Variance::Analytic`].
    pub fit: Option<VarianceFit>,
    /// Components of an image.
    pub dim: usize,
    /// Images of the training set, all of which make the empirical measure.
    pub training_set: usize,
    /// [`EmpiricalDenoiser::log_count`], if the empirical denoiser was measured.
    pub log_count: Option<f64>,
    /// Grey levels K of the data.
    pub grey_levels: u16,
    /// Noise draws for each image and level.
    pub repeats: usize,
    /// Seed of the noise and of the choice of images.
    pub seed: u64,
}

/// The network's error on images that count nowhere else: a variance that were fitted to the images it is judged on would look too good.
#[derive(Clone, Debug, PartialEq)]
pub struct VarianceFit {
    /// Number of images.
    pub images: usize,
    /// Mean |x_0 - D|^2 by measured level.
    pub mse: Vec<f64>,
}

/// A fitted variance is fitted to every so many-th image.
const FITTING_SHARE: usize = 4;

impl<'a> NetworkStudy<'a> {
    /// The study of a checkpoint: its network with its own thresholding, schedule and class labels.
    ///
    /// A learned variance differs from component to component and cannot be decomposed. A sampler that has it is decomposed with
    /// fixed-large, and [`NetworkStudy::replaced_variance`] says so in every result.
    pub fn of(
        checkpoint: &'a Checkpoint,
        settings: &StudySettings,
        names: StudyNames,
    ) -> Result<Self, EvalError> {
        let grid = settings.grid.unwrap_or(checkpoint.scheduler.spacing());
        let (schedule, timesteps) = match &settings.chosen {
            Some(chosen) => {
                let schedule = checkpoint.scheduler.schedule().clone();
                let timesteps = chosen.timesteps(&schedule)?;
                (schedule, timesteps)
            }
            None => checkpoint.scheduler.visit(grid, settings.steps)?,
        };
        let own = settings.variance.unwrap_or(checkpoint.scheduler.variance());
        let (variance, replaced_variance) = match own {
            own if own.is_learned() => (Variance::FixedLarge, Some(own)),
            own => (own, None),
        };
        let schedule_name = checkpoint.scheduler.config().name().to_owned();
        Ok(NetworkStudy {
            network: ThresholdedDenoiser::of_checkpoint(checkpoint),
            reference: None,
            schedule,
            timesteps,
            grid,
            chosen: settings.chosen.is_some(),
            variance,
            replaced_variance,
            flips: settings.flips,
            by_class: checkpoint.network.config().num_class_embeds.is_some(),
            names: StudyNames { schedule: schedule_name, ..names },
            workers: Workers::alone(),
        })
    }

    /// Shared by these processes.
    #[must_use]
    pub fn among(self, workers: Workers) -> Self {
        NetworkStudy { workers, ..self }
    }

    /// With a better checkpoint on the same schedule as the floor on held-out images.
    #[must_use]
    pub fn with_reference(self, name: String, checkpoint: &'a Checkpoint) -> Self {
        let names = StudyNames { reference: Some(name), ..self.names };
        NetworkStudy { reference: Some(ThresholdedDenoiser::of_checkpoint(checkpoint)), names, ..self }
    }

    /// Measures the network, the empirical denoiser (if `config.training_floor`) and the reference on both splits in one pass: every noised
    /// image is given to each of them once. The cost of the empirical denoiser grows with the product of measured and training images.
    ///
    /// As many training as held-out images are measured; without held-out images, training images alone.
    pub fn measure(
        &self,
        data: &Dataset,
        config: &EvalConfig,
        device: Device,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<MeasuredErrors, EvalError> {
        config.validate()?;
        self.check(data)?;
        let plan = LevelPlan::new(&self.schedule, &self.timesteps, config.levels)?;
        let empirical = config
            .training_floor
            .then(|| EmpiricalDenoiser::new(&data.train, self.flips, self.by_class, device))
            .transpose()?;
        let levels = plan.measured_levels();
        let measurement = Measurement {
            network: &self.network,
            empirical: empirical.as_ref(),
            reference: self.reference.as_ref(),
            decoder: self.decoder(&plan, data)?,
            levels: &levels,
            config,
            device,
            workers: &self.workers,
        };
        let splits: &[Split] =
            if data.held_out.is_some() { &[Split::HeldOut, Split::Train] } else { &[Split::Train] };
        let limit = if config.max_images == 0 { usize::MAX } else { config.max_images };
        let available = data.held_out.as_ref().unwrap_or(&data.train).len();
        let count = available.min(data.train.len()).min(limit);
        let of_split = (count * levels.len() * config.repeats) as u64;
        let total = of_split * splits.len() as u64;
        let mut before = 0;
        let mut measured = Vec::new();
        for &split in splits {
            measured.push(measurement.of_split(data.split(split)?, split, count, &mut |done| {
                progress(Progress { done: before + done, total })
            })?);
            before += of_split;
        }
        let (fit, splits) = self.set_aside(measured)?;
        Ok(MeasuredErrors {
            plan,
            splits,
            fit,
            dim: data.shape().dimension(),
            training_set: data.train.len(),
            log_count: empirical.as_ref().map(EmpiricalDenoiser::log_count),
            grey_levels: data.train.grey_levels(),
            repeats: config.repeats,
            seed: config.seed,
        })
    }

    /// The decoder of the lowest visited level; none for a single level, whose decoder has no variance.
    fn decoder(&self, plan: &LevelPlan, data: &Dataset) -> Result<Option<DecoderAt>, EvalError> {
        if self.timesteps.len() < 2 {
            return Ok(None);
        }
        let grey_levels = data.train.grey_levels();
        let decoder = Decoder::new(usize::from(grey_levels), decoder_variance(&plan.visited_levels())?)?;
        Ok(Some(DecoderAt { decoder, grey_levels, position: plan.lowest() }))
    }

    /// What a fitted variance is fitted to, and the images that are left.
    fn set_aside(
        &self,
        mut splits: Vec<SplitErrors>,
    ) -> Result<(Option<VarianceFit>, Vec<SplitErrors>), EvalError> {
        // The sampler's own variance is fitted to held-out images where there are any: these come first.
        let Some(from) = splits.first_mut().filter(|_| self.variance == Variance::Analytic) else {
            return Ok((None, splits));
        };
        let fits = |image: usize| image % FITTING_SHARE == FITTING_SHARE - 1;
        let needed = 2 * FITTING_SHARE;
        if from.images() < needed {
            let expected = format!("at least {needed}, of which a quarter fits the variance");
            return Err(EvalError::mismatch("images with variance analytic", expected, from.images()));
        }
        let fitting = from.select(fits);
        *from = from.select(|image| !fits(image));
        Ok((Some(VarianceFit { images: fitting.images(), mse: fitting.network.means() }), splits))
    }

    fn check(&self, data: &Dataset) -> Result<(), EvalError> {
        if self.variance.is_learned() {
            let expected = "fixed-small, fixed-large or analytic";
            return Err(EvalError::mismatch("variance of the decomposition", expected, self.variance));
        }
        if self.by_class && data.train.labels().is_none() {
            return Err(EvalError::mismatch("images of a class-conditional model", "labels", "none"));
        }
        if self.reference.is_some() && data.held_out.is_none() {
            let (expected, got) = ("held-out images to judge it on", "a data set without any");
            return Err(EvalError::mismatch("reference", expected, got));
        }
        Ok(())
    }
}

impl<'a> ThresholdedDenoiser<'a> {
    /// A checkpoint's network with the thresholding of its scheduler.
    pub fn of_checkpoint(checkpoint: &'a Checkpoint) -> Self {
        ThresholdedDenoiser::new(TrainedNetwork::from(checkpoint), checkpoint.scheduler.threshold())
    }
}

impl MeasuredErrors {
    /// The errors on one split, if it was measured.
    pub fn split(&self, split: Split) -> Option<&SplitErrors> {
        self.splits.iter().find(|errors| errors.split == split)
    }
}
