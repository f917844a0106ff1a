//! How a closed-form target is noised, as it is typed: by a discrete schedule or by a process in continuous time.

use crate::schedule_options::ScheduleOptions;
use anyhow::{Result, ensure};
use ddpm_core::{Grid, Level, Process, Scale, Schedule, TimeIndex, Trajectory};

/// Steps along a process where no number is given.
const PROCESS_STEPS: usize = 1000;

/// A schedule with its training levels, or a process with its smallest time.
#[derive(clap::Args, Debug, Clone)]
#[command(next_help_heading = "Noising of a closed-form target")]
pub(crate) struct NoisingOptions {
    /// Training levels T of the schedule [default: 1000, or as many as the file has]
    #[arg(long, value_name = "T")]
    train_steps: Option<usize>,
    /// A process in continuous time instead of a schedule: vp, sub-vp, ve, ou or edm
    #[arg(long, value_name = "NAME", conflicts_with_all = ["train_steps", "ScheduleOptions"])]
    pub(crate) process: Option<Process>,
    /// Time of the process at which sampling stops [default: 1e-3; ve: 0; edm: 0.002]
    #[arg(long, value_name = "EPS", requires = "process")]
    t_min: Option<f64>,
    #[command(flatten)]
    schedule: ScheduleOptions,
}

/// How data are noised.
#[derive(Debug)]
pub(crate) enum Noising {
    /// By a schedule.
    Discrete {
        /// Its name.
        name: &'static str,
        /// Its levels.
        schedule: Schedule,
    },
    /// By a process.
    Continuous {
        /// Its name.
        name: &'static str,
        /// Its marginals.
        process: Process,
        /// Where sampling stops.
        t_min: f64,
    },
}

impl NoisingOptions {
    /// Builds what was typed.
    pub(crate) fn build(&self) -> Result<Noising> {
        let Some(process) = &self.process else {
            let schedule = self.schedule.build(self.train_steps)?;
            return Ok(Noising::Discrete { name: self.schedule.kind().name(), schedule });
        };
        let t_min = self.t_min.unwrap_or(process.smallest_time());
        let named = Process::NAMED.into_iter().find(|(_, known)| known == process);
        let name = named.map_or("process", |(name, _)| name);
        Ok(Noising::Continuous { name, process: process.clone(), t_min })
    }
}

impl Noising {
    /// The visited timesteps of a schedule, the noisiest first: all of them unless told otherwise, else `trailing`.
    pub(crate) fn timesteps(
        schedule: &Schedule,
        steps: Option<usize>,
        grid: Option<Grid>,
    ) -> Result<Vec<TimeIndex>> {
        Ok(grid.unwrap_or(Grid::Trailing).visit(schedule, steps.unwrap_or(schedule.steps()))?)
    }

    /// What noise does to the scale of the data.
    pub(crate) fn scale(&self) -> Scale {
        match self {
            Noising::Discrete { schedule, .. } => schedule.scale(),
            Noising::Continuous { process, .. } => process.scale(),
        }
    }

    /// The levels from the noisiest down: of a schedule to data, of a process to its smallest time.
    pub(crate) fn trajectory(&self, steps: Option<usize>, grid: Option<Grid>) -> Result<Trajectory> {
        match self {
            Noising::Discrete { schedule, .. } => {
                Ok(Trajectory::discrete(schedule, &Self::timesteps(schedule, steps, grid)?)?)
            }
            Noising::Continuous { process, t_min, .. } => {
                let steps = steps.unwrap_or(PROCESS_STEPS);
                let times = grid.unwrap_or(Grid::Linspace).times(process, steps, *t_min)?;
                Ok(Trajectory::continuous(process, &times)?)
            }
        }
    }

    /// A single level: timestep or time `at`, the least noisy one unless given.
    pub(crate) fn level(&self, at: Option<f64>) -> Result<Level> {
        match self {
            Noising::Discrete { schedule, .. } => {
                let t = at.unwrap_or(0.0);
                let last = schedule.steps() - 1;
                ensure!(
                    t >= 0.0 && t <= last as f64 && t.fract() == 0.0,
                    "--at must be a timestep between 0 and {last}, got {t}"
                );
                Ok(schedule.level(TimeIndex(t as u32)))
            }
            Noising::Continuous { process, t_min, .. } => Ok(process.level(at.unwrap_or(*t_min))?),
        }
    }
}
