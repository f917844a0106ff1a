//! The noising process: x_t = alpha_t x_0 + sigma_t eps at the levels of a discrete schedule, or at all times of a continuous process.
//!
//! Training draws its levels from it ([`Noising::level_at`]), samplers go through it from the most noise down ([`Noising::trajectory`]).

use crate::{CoreError, Grid, Level, Process, Scale, Schedule, Scheme, TimeIndex, Trajectory};

/// Steps along a continuous process where no number is given.
const PROCESS_STEPS: usize = 1000;

/// The least sigma/alpha above 0 at which a process may stop. Data of unit scale in single precision have a rounding error of 6e-8; closer
/// to 0, (x_t - alpha_t x_0)/sigma_t is mostly that error.
const LEAST_RELATIVE_SIGMA: f64 = 1e-5;

/// sigma/alpha at which plain Langevin dynamics runs by default: Karras et al.'s (2022) standard deviation of images in [-1, 1].
const LANGEVIN_RELATIVE_SIGMA: f64 = 0.5;

/// A discrete schedule, or a continuous process down to its smallest time.
#[derive(Clone, Debug, PartialEq)]
pub enum Noising {
    /// T levels.
    Discrete(Schedule),
    /// A process in continuous time; [`Noising::continuous`] checks the smallest time.
    Continuous {
        /// Its marginals.
        process: Process,
        /// The smallest time that is trained and sampled.
        t_min: f64,
    },
}

impl Noising {
    /// A process that is trained and sampled down to `t_min`.
    ///
    /// Fails where `t_min` is outside the process, and where the noise there is above 0 and below the resolution of single precision.
    pub fn continuous(process: Process, t_min: f64) -> Result<Self, CoreError> {
        let (least, most) = process.time_range();
        let expected = "within the process and below its last time";
        CoreError::check("t_min", expected, t_min, t_min >= least && t_min < most)?;
        let level = process.level(t_min)?;
        let sigma = level.relative_sigma();
        if !level.is_clean() && sigma < LEAST_RELATIVE_SIGMA {
            return Err(CoreError::Unsupported(format!(
                "t_min must be 0 or leave a noise of sigma/alpha at least {LEAST_RELATIVE_SIGMA:e}, which single precision resolves; \
                 {t_min:e} leaves {sigma:.1e}"
            )));
        }
        Ok(Noising::Continuous { process, t_min })
    }

    /// The schedule, if the process is discrete.
    pub fn schedule(&self) -> Option<&Schedule> {
        match self {
            Noising::Discrete(schedule) => Some(schedule),
            Noising::Continuous { .. } => None,
        }
    }

    /// What noise does to the scale of the data.
    pub fn scale(&self) -> Scale {
        match self {
            Noising::Discrete(schedule) => schedule.scale(),
            Noising::Continuous { process, .. } => process.scale(),
        }
    }

    /// The grid of sampling where neither the user nor the checkpoint names one.
    ///
    /// `trailing` for schedules. `karras` for `edm` and `ve` (Karras et al. 2022). `log-snr` for `ou`: steps even in its time are too long
    /// at low noise, and on Gaussians of standard deviation 0.2 and 1 every sampler is closer with `log-snr` than with `karras`.
    /// `linspace` for `vp` and `sub-vp`, as Song et al. (2021) and Pierret & Galerne (2025) sample them.
    pub fn default_grid(&self) -> Grid {
        match self {
            Noising::Discrete(_) => Grid::Trailing,
            Noising::Continuous { process, .. } => match process {
                Process::Edm { .. } | Process::VarianceExploding { .. } => Grid::Karras,
                Process::OrnsteinUhlenbeck { .. } => Grid::LogSnr,
                Process::VariancePreserving { .. } | Process::SubVariancePreserving { .. } => Grid::Linspace,
                Process::Discrete(_) => Grid::Trailing,
            },
        }
    }

    /// The number of sampling steps where none is given: all levels of a schedule, 1000 steps of a process.
    pub fn default_steps(&self) -> usize {
        self.max_steps().unwrap_or(PROCESS_STEPS)
    }

    /// The greatest number of sampling steps: the levels of a schedule. A process has no limit.
    pub fn max_steps(&self) -> Option<usize> {
        self.schedule().map(Schedule::steps)
    }

    /// The sampler as the literature runs it along this process: see [`Scheme::on_process`].
    pub fn scheme(&self, scheme: Scheme) -> Scheme {
        match self {
            Noising::Discrete(_) => scheme,
            Noising::Continuous { .. } => scheme.on_process(),
        }
    }

    /// The level at a 0-based timestep of a schedule, or at a time of a process.
    pub fn level(&self, at: f64) -> Result<Level, CoreError> {
        match self {
            Noising::Discrete(schedule) => {
                let last = (schedule.steps() - 1) as f64;
                if (0.0..=last).contains(&at) && at.fract() == 0.0 {
                    return Ok(schedule.level(TimeIndex(at as u32)));
                }
                Err(CoreError::Unsupported(format!("must be a timestep between 0 and {last}, got {at}")))
            }
            Noising::Continuous { process, .. } => process.level(at),
        }
    }

    /// The levels of the least and of the most noise.
    pub fn ends(&self) -> Result<(Level, Level), CoreError> {
        match self {
            Noising::Discrete(schedule) => {
                Ok((schedule.level(TimeIndex(0)), schedule.level(TimeIndex(schedule.steps() as u32 - 1))))
            }
            Noising::Continuous { process, t_min } => {
                Ok((process.level(*t_min)?, process.level(process.time_range().1)?))
            }
        }
    }

    /// The level at which [`Scheme::Langevin`] runs where none is given: sigma/alpha 0.5, or the end that is closest to it.
    ///
    /// The step is proportional to sigma^2. At less noise 1000 steps do not reach the law from its start; at more noise the samples are
    /// mostly noise.
    pub fn langevin_level(&self) -> Result<Level, CoreError> {
        let (least, most) = self.ends()?;
        let wanted = (-2.0 * LANGEVIN_RELATIVE_SIGMA.ln()).clamp(most.log_snr(), least.log_snr());
        match self {
            Noising::Discrete(schedule) => Ok(nearest(schedule, wanted).unwrap_or(least)),
            Noising::Continuous { process, .. } => process.level_at_log_snr(wanted),
        }
    }

    /// The level at the fraction `u` in [0, 1) of the way from the least to the most noise, even in the timestep or in time: a uniform `u`
    /// draws the level of a training example.
    pub fn level_at(&self, u: f64) -> Result<Level, CoreError> {
        match self {
            Noising::Discrete(schedule) => {
                let steps = schedule.steps();
                let index = ((u * steps as f64) as usize).min(steps - 1);
                Ok(schedule.level(TimeIndex(index as u32)))
            }
            Noising::Continuous { process, t_min } => {
                let (_, most) = process.time_range();
                process.level(t_min + u * (most - t_min))
            }
        }
    }

    /// `count` levels from the least to the most noise, spread evenly in log-SNR: of a schedule the closest ones, each once.
    ///
    /// Fails where the noisiest level has no signal: its log-SNR is infinite.
    pub fn spread(&self, count: usize) -> Result<Vec<Level>, CoreError> {
        CoreError::check("levels", "at least 2", count as f64, count >= 2)?;
        let (least, most) = self.ends()?;
        let (high, low) = (least.log_snr(), most.log_snr());
        CoreError::check("log-SNR of the noisiest level", "finite", low, low.is_finite())?;
        let wanted = (0..count).map(|k| high + (low - high) * k as f64 / (count - 1) as f64);
        match self {
            Noising::Discrete(schedule) => {
                let mut levels: Vec<Level> = Vec::new();
                for log_snr in wanted {
                    levels.extend(nearest(schedule, log_snr).filter(|level| levels.last() != Some(level)));
                }
                Ok(levels)
            }
            Noising::Continuous { process, .. } => {
                wanted.map(|log_snr| process.level_at_log_snr(log_snr)).collect()
            }
        }
    }

    /// The levels at which a model of this process is looked at where a list of levels is needed: those of the schedule; of a process the
    /// levels of 1000 steps on its default grid.
    pub fn discretized(&self) -> Result<Schedule, CoreError> {
        match self {
            Noising::Discrete(schedule) => Ok(schedule.clone()),
            Noising::Continuous { .. } => self.visited_schedule(PROCESS_STEPS, self.default_grid()),
        }
    }

    /// The levels with noise that `steps` steps visit as a schedule of their own, the least noisy first.
    pub fn visited_schedule(&self, steps: usize, grid: Grid) -> Result<Schedule, CoreError> {
        let trajectory = self.trajectory(steps, grid)?;
        let noisy = trajectory.levels().iter().rev().filter(|level| !level.is_clean());
        Schedule::from_log_snr(self.scale(), noisy.map(Level::log_snr).collect())
    }

    /// `steps` steps of a sampler from the most noise down: of a schedule to data, of a process to its smallest time.
    pub fn trajectory(&self, steps: usize, grid: Grid) -> Result<Trajectory, CoreError> {
        match self {
            Noising::Discrete(schedule) => Trajectory::discrete(schedule, &grid.visit(schedule, steps)?),
            Noising::Continuous { process, t_min } => {
                Trajectory::continuous(process, &grid.times(process, steps, *t_min)?)
            }
        }
    }
}

/// The level of a schedule that is closest in log-SNR.
fn nearest(schedule: &Schedule, log_snr: f64) -> Option<Level> {
    let distance = |level: &Level| (level.log_snr() - log_snr).abs();
    schedule.levels().min_by(|a, b| distance(a).total_cmp(&distance(b)))
}
