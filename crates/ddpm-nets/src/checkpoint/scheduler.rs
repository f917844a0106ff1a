//! The scheduler of a checkpoint: the noising process, what the network predicts, and how its authors sample it.

use crate::{NetsError, Threshold};
use ddpm_core::{
    CoreError, Grid, Parameterization, PredictionKind, Scale, Schedule, ScheduleConfig, ScheduleKind,
    TimeIndex, Variance,
};

/// How a model is sampled unless the user says otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplingDefaults {
    /// The placement of the timesteps of a sampler with fewer steps than levels.
    pub spacing: Grid,
    /// The variance of an ancestral step.
    pub variance: Variance,
    /// The thresholding of the predicted x_0.
    pub threshold: Threshold,
}

/// The noising process of a model on images, what its network predicts, and how it is sampled.
#[derive(Clone, Debug, PartialEq)]
pub struct Scheduler {
    config: ScheduleConfig,
    schedule: Schedule,
    parameterization: Parameterization,
    sampling: SamplingDefaults,
}

impl Scheduler {
    /// A scheduler that a checkpoint can state: EDM's preconditioning with the `karras` schedule, whose spacing is then `karras` as well;
    /// every other prediction with a variance-preserving schedule.
    pub fn new(
        config: &ScheduleConfig,
        parameterization: Parameterization,
        sampling: SamplingDefaults,
    ) -> Result<Self, NetsError> {
        let wrong =
            |key: &str, reason: String| Err(NetsError::Key { key: format!("diffusion.{key}"), reason });
        if sampling.variance == Variance::Analytic {
            let reason = "analytic is a choice when sampling (sample.variance); a checkpoint stores fixed-small, fixed-large or learned-range";
            return wrong("variance", reason.into());
        }
        let scheduler = Self::unchecked(config.clone(), parameterization, sampling)?;
        let kind = match (parameterization, config.schedule) {
            (Parameterization::Edm(edm), ScheduleKind::Karras) => {
                if !(edm.sigma_data > 0.0 && edm.sigma_data.is_finite()) {
                    return wrong("sigma_data", format!("must be positive, got {}", edm.sigma_data));
                }
                return Ok(scheduler);
            }
            (Parameterization::Edm(_), other) => {
                let reason = format!("must be \"karras\" for prediction \"edm\", got {:?}", other.name());
                return wrong("schedule.kind", reason);
            }
            (Parameterization::Plain(kind), _) if scheduler.schedule.scale() == Scale::VariancePreserving => {
                kind
            }
            (Parameterization::Plain(_), other) => {
                let reason = format!(
                    "{:?} explodes the variance, which an image checkpoint stores with prediction \"edm\" alone; use karras with it, or another schedule",
                    other.name()
                );
                return wrong("schedule.kind", reason);
            }
        };
        let last = scheduler.schedule.levels().next_back();
        let no_signal = last.is_some_and(|level| level.log_snr() == f64::NEG_INFINITY);
        if no_signal && matches!(kind, PredictionKind::Epsilon | PredictionKind::Score) {
            let reason = "must be \"v\" or \"x0\" where the last level has no signal (zero_terminal_snr, or a last beta of 1): x_0 does not follow from the noise there";
            return wrong("prediction", reason.into());
        }
        Ok(scheduler)
    }

    /// A scheduler as a file states it.
    pub(super) fn unchecked(
        config: ScheduleConfig,
        parameterization: Parameterization,
        mut sampling: SamplingDefaults,
    ) -> Result<Self, CoreError> {
        if matches!(parameterization, Parameterization::Edm(_)) {
            sampling.spacing = Grid::Karras;
        }
        Ok(Scheduler { schedule: config.build()?, config, parameterization, sampling })
    }

    /// The scaling of the network's input and the quantity that it predicts.
    pub fn parameterization(&self) -> Parameterization {
        self.parameterization
    }

    /// The training levels.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The kind of the schedule, with its parameters.
    pub fn schedule_config(&self) -> &ScheduleConfig {
        &self.config
    }

    /// The authors' placement of the timesteps of a sampler with fewer steps than levels.
    pub fn spacing(&self) -> Grid {
        self.sampling.spacing
    }

    /// The variance that the authors sample with.
    pub fn variance(&self) -> Variance {
        self.sampling.variance
    }

    /// The authors' thresholding of a predicted x_0.
    pub fn threshold(&self) -> Threshold {
        self.sampling.threshold
    }

    /// The levels that a sampler of `steps` steps visits: timesteps of a schedule, the noisiest first.
    ///
    /// The schedule is the training one, save for EDM on its own grid, which places its levels anew for every number of steps.
    pub fn visit(&self, grid: Grid, steps: usize) -> Result<(Schedule, Vec<TimeIndex>), CoreError> {
        let schedule = match self.parameterization {
            Parameterization::Edm(_) if grid == Grid::Karras && steps >= 1 => {
                ScheduleConfig { train_steps: Some(steps), ..self.config.clone() }.build()?
            }
            _ => self.schedule.clone(),
        };
        let timesteps = grid.visit(&schedule, steps)?;
        Ok((schedule, timesteps))
    }
}
