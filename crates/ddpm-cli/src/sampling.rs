//! One sampling job: a denoiser, a sampler, the levels that it visits, and noise. It runs in batches, with progress.

use crate::image_model::ImageModel;
use crate::progress::{Progress, human_seconds};
use crate::runtime::StopFlag;
use anyhow::{Context, Result, ensure};
use ddpm_core::Trajectory;
use ddpm_core::decomposition::mmse_per_component;
use ddpm_core::{ChosenLevels, Grid, Level, Noising, Schedule, Scheme, Step, Target, TimeIndex, Variance};
use ddpm_data::sha256_bytes;
use ddpm_nets::Denoiser;
use ddpm_sample::{
    Evaluator, Inpainting, Noise, NoiseInput, Options, SampleError, Sampler, Samples, StepErrors, Tolerance,
    encode, run, sample_batches, sampler, sampler_on_grid,
};
use serde_json::{Map, Value, json};
use std::ops::{ControlFlow, Range};
use std::time::Instant;
use tch::{Device, Tensor};
use torch_ext::dist::Workers;

/// Steps of a whole run beyond which the plan would not fit in memory.
const MOST_STEPS: usize = 10_000_000;

/// [`Samples::relative_size`] beyond which a warning is given. Correct samples of data with outliers stay below 2.
const MOST_RELATIVE_SIZE: f64 = 3.0;

/// Which levels are asked for: a number and a grid, or each of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Visits<'a> {
    /// Their number.
    pub(crate) steps: Option<usize>,
    /// The grid.
    pub(crate) grid: Option<Grid>,
    /// The levels themselves, in the place of both.
    pub(crate) chosen: Option<&'a ChosenLevels>,
}

/// The levels that a sampler visits.
#[derive(Debug)]
pub(crate) struct VisitedLevels {
    /// The levels, the noisiest first.
    pub(crate) trajectory: Trajectory,
    /// The schedule whose timesteps they are; none on a process in continuous time.
    schedule: Option<Schedule>,
    /// The grid that chose them among the schedule's.
    grid: Option<Grid>,
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
                VisitedLevels { trajectory: noising.trajectory(steps, grid)?, schedule: None, grid: None }
            }
        })
    }

    /// Timesteps of a schedule, the noisiest first, that `grid` chose.
    pub(crate) fn of_timesteps(schedule: Schedule, timesteps: &[TimeIndex], grid: Grid) -> Result<Self> {
        let trajectory = Trajectory::discrete(&schedule, timesteps)?;
        Ok(VisitedLevels { trajectory, schedule: Some(schedule), grid: Some(grid) })
    }

    /// The schedule whose timesteps the levels are; none on a process in continuous time.
    pub(crate) fn schedule(&self) -> Option<&Schedule> {
        self.schedule.as_ref()
    }

    /// Levels chosen one by one.
    pub(crate) fn chosen(noising: &Noising, levels: &ChosenLevels) -> Result<Self> {
        let trajectory = levels.trajectory(noising)?;
        Ok(VisitedLevels { trajectory, schedule: noising.schedule().cloned(), grid: None })
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
        Ok(VisitedLevels { trajectory, schedule: None, grid: None })
    }

    /// The sampler as it runs along a noising process, and the levels that it visits: one level for plain Langevin dynamics (see
    /// [`VisitedLevels::single`]), otherwise as in [`VisitedLevels::along`].
    pub(crate) fn of_scheme(
        noising: &Noising,
        scheme: Scheme,
        visits: &Visits<'_>,
        at: Option<f64>,
    ) -> Result<(Scheme, Self)> {
        let levels = match (scheme, visits.chosen) {
            (Scheme::Langevin { .. }, _) => Self::single(noising, at)?,
            (_, Some(chosen)) => Self::chosen(noising, chosen)?,
            (_, None) => Self::along(noising, visits.steps, visits.grid)?,
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
    /// A region that every sample keeps.
    pub(crate) known: Option<KnownRegion>,
}

/// A region of the data that samples keep.
#[derive(Debug)]
pub(crate) struct KnownRegion {
    /// Data of a sample's shape.
    pub(crate) data: Tensor,
    /// True where they are kept, of a shape that broadcasts against the data's.
    pub(crate) kept: Tensor,
}

impl SamplingJob<'_> {
    /// Draws samples `from`..num and passes each batch [n, ...], as the model gives it, on to `take`. The result is the first of these batches,
    /// with its recorded states.
    ///
    /// Several processes share the batches. The first of them takes all; in the others the result is `None`.
    ///
    /// Fails before anything runs where the sampler cannot visit these levels, and in between when a stop is requested.
    pub(crate) fn draw(
        &self,
        from: u64,
        device: Device,
        stop: &StopFlag,
        workers: &Workers,
        take: &mut dyn FnMut(&Tensor) -> Result<()>,
    ) -> Result<Option<Samples>> {
        let SamplingJob { model, scheme, num, batch_size, .. } = self;
        let trajectory = &self.levels.trajectory;
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
        // The first process shows its own batches.
        let skipped = from / batch_size;
        let batches = skipped + (num - from).div_ceil(batch_size.saturating_mul(workers.world() as u64));
        // A method that chooses its own steps is as far as its finished batches.
        let is_adaptive = *scheme == Scheme::OdeRk45;
        let mut progress = if is_adaptive {
            Progress::new("sample", "samples", from, *num)
        } else {
            Progress::new("sample", "steps", skipped * planned, batches * planned)
        };
        let (mut done, mut evaluations, mut relative_size) = (0, 0, 0.0f64);
        let mut first: Option<Samples> = None;
        let one = |range: Range<u64>| {
            let start = range.start;
            if stop.is_set() {
                return Err(SampleError::Interrupted { steps: 0 });
            }
            self.batch(range, device, &mut |at| {
                match at.steps {
                    Some(steps) => {
                        done += 1;
                        progress.set_end(batches * steps as u64);
                        progress.set(skipped * steps as u64 + done, String::new);
                    }
                    None => progress.set(start, || format!("step {}", at.step)),
                }
                stop.flow()
            })
        };
        let keep = |_: Range<u64>, samples: Samples| {
            take(&samples.x)?;
            evaluations += samples.evaluations;
            relative_size = relative_size.max(samples.relative_size);
            first.get_or_insert(samples);
            anyhow::Ok(())
        };
        sample_batches(workers, from..*num, *batch_size, one, keep)?;
        if !workers.is_first() {
            return Ok(None);
        }
        let mut first = first.context("no batch was sampled")?;
        (first.evaluations, first.relative_size) = (evaluations, relative_size);
        if relative_size > MOST_RELATIVE_SIZE {
            tracing::warn!(
                "the samples are {relative_size:.0} times as large as the denoiser's last prediction: {} steps of {} are too long here, and \
                 what is left is mostly noise; take more steps or another sampler",
                first.steps,
                scheme.name()
            );
        }
        progress.finish(&format!(
            "{} {} with {}, {evaluations} evaluations, {}",
            num - from,
            if matches!(model, Model::Images(_)) { "images" } else { "samples" },
            scheme.name(),
            human_seconds(begun.elapsed().as_secs_f64())
        ));
        Ok(Some(first))
    }

    /// All samples [num, ...] in memory.
    pub(crate) fn collect(&self, device: Device, stop: &StopFlag) -> Result<Samples> {
        let mut parts = Vec::new();
        let samples = self.draw(0, device, stop, &Workers::alone(), &mut |batch| {
            parts.push(batch.shallow_clone());
            Ok(())
        })?;
        let mut samples = samples.context("no batch was sampled")?;
        samples.x = torch_ext::fence(|| Tensor::cat(&parts, 0))?;
        Ok(samples)
    }

    /// The first batch alone, for its recorded states.
    pub(crate) fn first_batch(&self, device: Device, stop: &StopFlag) -> Result<Samples> {
        Ok(self.batch(0..self.batch_size.min(self.num), device, &mut |_| stop.flow())?)
    }

    /// The samples of these numbers with their recorded states.
    pub(crate) fn states(&self, range: Range<u64>, device: Device, stop: &StopFlag) -> Result<Samples> {
        Ok(self.batch(range, device, &mut |_| stop.flow())?)
    }

    /// The predicted x_0, as the sampler uses it, for states `x_t` [n, ...] at `level` of the samples of these numbers.
    pub(crate) fn answers(
        &self,
        x_t: &Tensor,
        level: &Level,
        range: &Range<u64>,
        device: Device,
    ) -> Result<Tensor> {
        Ok(self.with_denoiser(range, device, |denoiser| {
            Evaluator::new(denoiser, self.options.threshold).x0(x_t, level)
        })?)
    }

    /// The states at the noisiest level from which the probability-flow ODE leads to `x0` [n, ...] along the visited levels, unthresholded.
    pub(crate) fn encode(&self, x0: &Tensor, device: Device, stop: &StopFlag) -> Result<Tensor> {
        let mut states = Vec::new();
        let n = x0.size()[0] as u64;
        for first in (0..n).step_by(self.batch_size as usize) {
            let range = first..(first + self.batch_size).min(n);
            let rows = x0.narrow(0, first as i64, (range.end - first) as i64).to_device(device);
            let encoded = self.with_denoiser(&range, device, |denoiser| {
                encode(denoiser, &self.levels.trajectory, &rows, &Options::default(), &mut |_| stop.flow())
            })?;
            states.push(encoded.x.to_device(Device::Cpu));
        }
        Ok(torch_ext::fence(|| Tensor::cat(&states, 0))?)
    }

    /// The steps of a sampler that does not choose its own.
    pub(crate) fn plan(&self) -> Result<Vec<Step>> {
        Ok(self.scheme.plan(&self.levels.trajectory)?)
    }

    /// One batch of samples.
    fn batch(
        &self,
        range: Range<u64>,
        device: Device,
        report: &mut dyn FnMut(&ddpm_sample::Progress) -> ControlFlow<()>,
    ) -> Result<Samples, SampleError> {
        let options = &self.options;
        let noise = &mut self.noise.batch(range.clone(), device)?;
        let mut sampler = self.sampler()?;
        self.with_denoiser(&range, device, |denoiser| {
            let start = torch_ext::fence(|| noise.start(self.levels.trajectory.start()))??;
            if let Some(known) = &self.known {
                let mut keeping = Inpainting::new(sampler, known.data.shallow_clone(), &known.kept);
                return run(denoiser, &mut keeping, start, noise, options, report);
            }
            run(denoiser, sampler.as_mut(), start, noise, options, report)
        })
    }

    /// The sampler along the visited levels.
    fn sampler(&self) -> Result<Box<dyn Sampler>, SampleError> {
        let VisitedLevels { trajectory, schedule, grid } = &self.levels;
        let tolerance = self.options.tolerance;
        match (schedule, grid) {
            // Inpainting returns to each visited level, which diffusers' arrival levels need not be.
            (Some(schedule), Some(grid)) if self.known.is_none() => {
                sampler_on_grid(&self.scheme, schedule, *grid, trajectory, tolerance)
            }
            _ => sampler(&self.scheme, trajectory, tolerance),
        }
    }

    /// What the steps of a deterministic sampler cost in these samples, by the flow along `fine`.
    pub(crate) fn step_errors(
        &self,
        fine: &Trajectory,
        range: Range<u64>,
        device: Device,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<StepErrors> {
        let coarse = &self.levels.trajectory;
        let mut sampler = self.sampler()?;
        let start = self.noise.batch(range.clone(), device)?.start(coarse.start())?;
        let options = &self.options;
        Ok(self.with_denoiser(&range, device, |denoiser| {
            StepErrors::of(denoiser, sampler.as_mut(), coarse, fine, &start, options, progress)
        })?)
    }

    /// What `of` makes of the denoiser of these samples.
    fn with_denoiser<T>(&self, range: &Range<u64>, device: Device, of: impl FnOnce(&dyn Denoiser) -> T) -> T {
        match &self.model {
            Model::Denoiser(denoiser) => of(*denoiser),
            Model::Images(images) => of(&images.batch(range, device)),
        }
    }

    /// What the samples depend on besides the model: the sampler with its options, the levels, and what is done to predictions.
    pub(crate) fn settings(&self) -> Result<Map<String, Value>> {
        let levels = self.levels.trajectory.levels();
        let ends = [levels.first(), levels.last()]
            .map(|level| level.map(Level::log_snr).filter(|snr| snr.is_finite()));
        let mut settings = Map::new();
        settings.insert("sampler".into(), serde_json::to_value(self.scheme)?);
        settings.insert(
            "levels".into(),
            json!({
                "visited": self.levels.trajectory.steps(),
                "first_and_last_log_snr": ends,
                // Every level with what belongs to it, in full precision.
                "sha256": sha256_bytes(format!("{:?}", self.levels).as_bytes()),
            }),
        );
        settings.insert("threshold".into(), serde_json::to_value(self.options.threshold)?);
        if self.scheme == Scheme::OdeRk45 {
            let Tolerance { relative, absolute } = self.options.tolerance;
            settings.insert("tolerance".into(), json!({ "relative": relative, "absolute": absolute }));
        }
        if let NoiseInput::Keyed { seed, .. } = &self.noise {
            settings.insert("seed".into(), json!(seed));
        }
        Ok(settings)
    }
}
