//! One sampling job: a denoiser, a sampler, the levels that it visits, and noise. It runs in batches, with progress.

use crate::image_model::ImageModel;
use crate::progress::{Progress, human_seconds};
use crate::runtime::StopFlag;
use anyhow::{Result, ensure};
use ddpm_core::Trajectory;
use ddpm_core::decomposition::mmse_per_component;
use ddpm_core::{Grid, Level, Noising, Schedule, Scheme, Target, TimeIndex, Variance};
use ddpm_nets::Denoiser;
use ddpm_sample::{NoiseInput, Options, Samples, sample, sample_batches, sample_on_grid};
use std::time::Instant;
use tch::Device;

/// Steps of a whole run beyond which the plan would not fit in memory.
const MOST_STEPS: usize = 10_000_000;

/// [`Samples::relative_size`] beyond which a warning is given. Correct samples of data with outliers stay below 2.
const MOST_RELATIVE_SIZE: f64 = 3.0;

/// The levels that a sampler visits.
pub(crate) struct VisitedLevels {
    /// The levels, the noisiest first.
    pub(crate) trajectory: Trajectory,
    /// The schedule and the grid that chose them; none on a process in continuous time.
    discrete: Option<(Schedule, Grid)>,
}

impl VisitedLevels {
    /// `steps` levels ([`Noising::default_steps`] unless given) of a noising process, by its own grid unless one is given.
    pub(crate) fn along(noising: &Noising, steps: Option<usize>, grid: Option<Grid>) -> Result<Self> {
        let grid = grid.unwrap_or(noising.default_grid());
        let steps = steps.unwrap_or(noising.default_steps());
        Ok(match noising {
            Noising::Discrete(schedule) => {
                let timesteps = grid.visit(schedule, steps)?;
                Self::of_timesteps(schedule.clone(), &timesteps, grid)?
            }
            Noising::Continuous { .. } => {
                VisitedLevels { trajectory: noising.trajectory(steps, grid)?, discrete: None }
            }
        })
    }

    /// Timesteps of a schedule, the noisiest first, that `grid` chose.
    pub(crate) fn of_timesteps(schedule: Schedule, timesteps: &[TimeIndex], grid: Grid) -> Result<Self> {
        let trajectory = Trajectory::discrete(&schedule, timesteps)?;
        Ok(VisitedLevels { trajectory, discrete: Some((schedule, grid)) })
    }

    /// A single level, for Langevin dynamics: the one at timestep or time `at`, or [`Noising::langevin_level`].
    pub(crate) fn single(noising: &Noising, at: Option<f64>) -> Result<Self> {
        let level = match at {
            Some(at) => {
                let last = noising.schedule().map_or(0, |schedule| schedule.steps() - 1);
                let exists =
                    noising.schedule().is_none() || (at.fract() == 0.0 && (0.0..=last as f64).contains(&at));
                ensure!(exists, "--at must be a timestep between 0 and {last}, got {at}");
                noising.level(at)?
            }
            None => noising.langevin_level()?,
        };
        let trajectory = Trajectory::of_levels(vec![level, Level::CLEAN], noising.scale(), None)?;
        Ok(VisitedLevels { trajectory, discrete: None })
    }

    /// The sampler as it runs along a noising process, and the levels that it visits: one level for plain Langevin dynamics (see
    /// [`VisitedLevels::single`]), otherwise as in [`VisitedLevels::along`].
    pub(crate) fn of_scheme(
        noising: &Noising,
        scheme: Scheme,
        steps: Option<usize>,
        grid: Option<Grid>,
        at: Option<f64>,
    ) -> Result<(Scheme, Self)> {
        let levels = match scheme {
            Scheme::Langevin { .. } => Self::single(noising, at)?,
            _ => Self::along(noising, steps, grid)?,
        };
        Ok((noising.scheme(scheme), levels))
    }

    /// The same levels with the mean-square error of the ideal denoiser of `target` at each, where the sampler's variance needs it.
    pub(crate) fn with_ideal_error(self, target: &Target, scheme: &Scheme) -> Result<Self> {
        if *scheme != (Scheme::Ddpm { variance: Variance::Analytic }) {
            return Ok(self);
        }
        let mse = mmse_per_component(target, &self.trajectory)?;
        Ok(VisitedLevels { trajectory: self.trajectory.with_mse(mse)?, ..self })
    }
}

/// What answers at each level.
#[expect(clippy::large_enum_variant, reason = "there is one value for each sampling job")]
pub(crate) enum Model<'a> {
    /// One denoiser for all samples: a closed-form target's, or a network on vectors.
    Denoiser(&'a dyn Denoiser),
    /// A network on images, with a class and guidance for each image.
    Images(ImageModel<'a>),
}

/// What to sample.
pub(crate) struct SamplingJob<'a> {
    /// What answers at each level.
    pub(crate) model: Model<'a>,
    /// The sampler with its options.
    pub(crate) scheme: Scheme,
    /// The levels that it visits.
    pub(crate) levels: VisitedLevels,
    /// Thresholding of the predicted x_0, states to keep, tolerances.
    pub(crate) options: Options,
    /// Starting states and noise.
    pub(crate) noise: NoiseInput,
    /// Number of samples.
    pub(crate) num: u64,
    /// Samples at once.
    pub(crate) batch_size: u64,
}

impl SamplingJob<'_> {
    /// Draws the samples [num, ...], as the model gives them.
    ///
    /// Fails before anything runs where the sampler cannot visit these levels, and in between when a stop is requested.
    pub(crate) fn run(&self, device: Device, stop: &StopFlag) -> Result<Samples> {
        let SamplingJob { model, scheme, levels, noise, num, batch_size, .. } = self;
        let VisitedLevels { trajectory, discrete } = levels;
        if let Scheme::AnnealedLangevin { steps, .. } | Scheme::Langevin { steps, .. } = scheme {
            let all = steps.saturating_mul(trajectory.levels().len());
            ensure!(
                all <= MOST_STEPS,
                "{}: {all} steps are more than the limit of {MOST_STEPS}; take fewer steps or levels",
                scheme.name()
            );
        }
        // What this sampler cannot do along these levels comes out before anything runs.
        let planned = scheme.plan(trajectory)?.len() as u64;
        let begun = Instant::now();
        let batches = num.div_ceil(*batch_size);
        // A method that chooses its own steps is as far as its finished batches.
        let (unit, end) =
            if *scheme == Scheme::OdeRk45 { ("samples", *num) } else { ("steps", batches * planned) };
        let mut progress = Progress::new("sample", unit, 0, end);
        let mut done = 0;
        let samples = sample_batches(*num, *batch_size, |range| {
            let of_batch;
            let denoiser: &dyn Denoiser = match model {
                Model::Denoiser(denoiser) => *denoiser,
                Model::Images(images) => {
                    of_batch = images.batch(&range, device);
                    &of_batch
                }
            };
            let first = range.start;
            let noise = &mut noise.batch(range, device)?;
            let mut report = |at: &ddpm_sample::Progress| {
                match at.steps {
                    Some(steps) => {
                        done += 1;
                        progress.set_end(batches * steps as u64);
                        progress.set(done, String::new);
                    }
                    None => progress.set(first, || format!("step {}", at.step)),
                }
                stop.flow()
            };
            match discrete {
                Some((schedule, grid)) => {
                    let options = &self.options;
                    sample_on_grid(denoiser, scheme, schedule, *grid, trajectory, noise, options, &mut report)
                }
                None => sample(denoiser, scheme, trajectory, noise, &self.options, &mut report),
            }
        })?;
        if samples.relative_size > MOST_RELATIVE_SIZE {
            tracing::warn!(
                "the samples are {:.0} times as large as the denoiser's last prediction: {} steps of {} are too long here, and what is \
                 left is mostly noise; take more steps or another sampler",
                samples.relative_size,
                samples.steps,
                scheme.name()
            );
        }
        progress.finish(&format!(
            "{num} {} with {}, {} evaluations, {}",
            if matches!(model, Model::Images(_)) { "images" } else { "samples" },
            scheme.name(),
            samples.evaluations,
            human_seconds(begun.elapsed().as_secs_f64())
        ));
        Ok(samples)
    }
}
