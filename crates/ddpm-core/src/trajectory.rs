//! The sequence of noise levels that a sampler visits, from the noisiest to the last.

use crate::{CoreError, Level, Process, Scale, Schedule, Time, TimeIndex};

/// Levels from the noisiest to the last one, and the process they belong to.
#[derive(Clone, Debug, PartialEq)]
pub struct Trajectory {
    levels: Vec<Level>,
    scale: Scale,
    process: Option<Process>,
    mse_per_component: Option<Vec<f64>>,
}

impl Trajectory {
    /// Visited training timesteps, the noisiest first, and then data: the last evaluation is the decoder's.
    pub fn discrete(schedule: &Schedule, timesteps: &[TimeIndex]) -> Result<Self, CoreError> {
        let mut levels = schedule.visited(timesteps)?;
        levels.push(Level::CLEAN);
        // Solvers of differential equations read the schedule as a process; where it has none, only they fail.
        let process = Process::from_schedule(schedule).ok();
        Self::checked(levels, schedule.scale(), process)
    }

    /// Times of a continuous process, falling. The last one is where sampling stops: no denoising follows.
    pub fn continuous(process: &Process, times: &[f64]) -> Result<Self, CoreError> {
        let levels: Result<Vec<Level>, CoreError> = times.iter().map(|&t| process.level(t)).collect();
        Self::checked(levels?, process.scale(), Some(process.clone()))
    }

    /// Any levels of one scale, falling in noise, with the process that solvers of differential equations need.
    pub fn of_levels(levels: Vec<Level>, scale: Scale, process: Option<Process>) -> Result<Self, CoreError> {
        Self::checked(levels, scale, process)
    }

    fn checked(levels: Vec<Level>, scale: Scale, process: Option<Process>) -> Result<Self, CoreError> {
        CoreError::check("levels", "at least 2", levels.len() as f64, levels.len() >= 2)?;
        for (index, pair) in levels.windows(2).enumerate() {
            let rising = pair[1].log_snr() > pair[0].log_snr();
            if !rising {
                return Err(CoreError::Entry {
                    name: "levels",
                    index: index + 1,
                    expected: "less noisy than the one before (log-SNR rising)",
                    got: pair[1].log_snr(),
                });
            }
        }
        Ok(Trajectory { levels, scale, process, mse_per_component: None })
    }

    /// The same trajectory followed by a last step to data, the decoder's.
    pub fn with_decoder(mut self) -> Self {
        if self.levels.last().is_some_and(|level| level.time() != Time::Clean) {
            self.levels.push(Level::CLEAN);
        }
        self
    }

    /// The denoiser's E|x_0 - D(x_t)|^2 / d at every level but the last, in the trajectory's order: what `analytic` variance needs.
    pub fn with_mse(mut self, mse_per_component: Vec<f64>) -> Result<Self, CoreError> {
        if mse_per_component.len() != self.steps() {
            let (expected, got) = (self.steps(), mse_per_component.len());
            return Err(CoreError::Dimension { what: "denoising errors".into(), expected, got });
        }
        self.mse_per_component = Some(mse_per_component);
        Ok(self)
    }

    /// All levels, the noisiest first, the last one included.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// Number of steps between neighbouring levels.
    pub fn steps(&self) -> usize {
        self.levels.len() - 1
    }

    /// The level that sampling starts from.
    pub fn start(&self) -> &Level {
        &self.levels[0]
    }

    /// The level that sampling ends at.
    pub fn end(&self) -> &Level {
        &self.levels[self.levels.len() - 1]
    }

    /// What noise does to the scale of the data.
    pub fn scale(&self) -> Scale {
        self.scale
    }

    /// The process that solvers of differential equations need, or an error that names the sampler.
    pub fn process(&self, sampler: &str) -> Result<&Process, CoreError> {
        self.process.as_ref().ok_or_else(|| {
            CoreError::Unsupported(format!(
                "sampler {sampler} integrates a differential equation, which needs at least 2 levels that all keep some signal; \
                 use ddpm or ddim on this schedule"
            ))
        })
    }

    pub(crate) fn mse(&self, index: usize) -> Option<f64> {
        self.mse_per_component.as_ref().and_then(|list| list.get(index)).copied()
    }
}
