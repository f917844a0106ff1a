//! The scheduler of a checkpoint: the noising process, what the network predicts, and how its authors sample it.

use crate::{NetsError, Threshold};
use ddpm_core::{
    CoreError, Grid, NoiseCondition, Noising, NoisingConfig, Parameterization, PredictionKind, Scale,
    Schedule, ScheduleConfig, ScheduleKind, TimeIndex, Variance,
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
    config: NoisingConfig,
    noising: Noising,
    schedule: Schedule,
    parameterization: Parameterization,
    sampling: SamplingDefaults,
}

impl Scheduler {
    /// A scheduler whose parts belong together: EDM's preconditioning takes the schedule `karras`, whose spacing is then `karras` as well; a
    /// network is told timesteps on a variance-preserving schedule alone; what it predicts determines x_0 at every level.
    pub fn new(
        config: impl Into<NoisingConfig>,
        parameterization: Parameterization,
        sampling: SamplingDefaults,
    ) -> Result<Self, NetsError> {
        let wrong =
            |key: &str, reason: String| Err(NetsError::Key { key: format!("diffusion.{key}"), reason });
        if sampling.variance == Variance::Analytic {
            let reason = "analytic is a choice when sampling (sample.variance); a checkpoint stores fixed-small, fixed-large, learned-range or learned";
            return wrong("variance", reason.into());
        }
        let scheduler = Self::unchecked(config, parameterization, sampling)?;
        let (kind, condition) = match (parameterization, &scheduler.config) {
            (Parameterization::Edm(edm), NoisingConfig::Schedule(schedule))
                if schedule.schedule == ScheduleKind::Karras =>
            {
                if !(edm.sigma_data > 0.0 && edm.sigma_data.is_finite()) {
                    return wrong("sigma_data", format!("must be positive, got {}", edm.sigma_data));
                }
                return Ok(scheduler);
            }
            (Parameterization::Edm(_), other) => {
                let reason = format!("must be \"karras\" for prediction \"edm\", got {:?}", other.name());
                return wrong("schedule.kind", reason);
            }
            (Parameterization::Plain { kind, condition }, _) => (kind, condition),
        };
        if condition == NoiseCondition::Timestep && !scheduler.has_timesteps() {
            let reason = format!(
                "must be \"log-snr\" or \"sigma\": {:?} has no timesteps that a network could be told",
                scheduler.config.name()
            );
            return wrong("condition", reason);
        }
        let (least, most) = scheduler.noising.ends()?;
        if least.is_clean() {
            let reason = "must be above 0: no network is evaluated on data without noise";
            return wrong("process.t_min", reason.into());
        }
        if most.log_snr() == f64::NEG_INFINITY {
            if matches!(kind, PredictionKind::Epsilon | PredictionKind::Score) {
                let reason = "must be \"v\" or \"x0\" where the last level has no signal (zero_terminal_snr, or a last beta of 1): x_0 does not follow from the noise there";
                return wrong("prediction", reason.into());
            }
            if condition == NoiseCondition::Sigma {
                let reason = "\"sigma\" is infinite where the last level has no signal; use \"timestep\" or \"log-snr\"";
                return wrong("condition", reason.into());
            }
        }
        Ok(scheduler)
    }

    /// A scheduler as a file states it.
    pub(super) fn unchecked(
        config: impl Into<NoisingConfig>,
        parameterization: Parameterization,
        mut sampling: SamplingDefaults,
    ) -> Result<Self, CoreError> {
        let config = config.into();
        let noising = config.build()?;
        match parameterization {
            Parameterization::Edm(_) => sampling.spacing = Grid::Karras,
            Parameterization::Plain { .. } if noising.schedule().is_none() => {
                sampling.spacing = noising.default_grid();
            }
            Parameterization::Plain { .. } => {}
        }
        Ok(Scheduler { schedule: noising.discretized()?, noising, config, parameterization, sampling })
    }

    /// Whether the levels have timesteps: those of a variance-preserving schedule.
    fn has_timesteps(&self) -> bool {
        self.noising.schedule().is_some() && self.noising.scale() == Scale::VariancePreserving
    }

    /// The scaling of the network's input and the quantity that it predicts.
    pub fn parameterization(&self) -> Parameterization {
        self.parameterization
    }

    /// The noising process that the network was trained on.
    pub fn noising(&self) -> &Noising {
        &self.noising
    }

    /// The training levels; of a process in continuous time its [`Noising::discretized`] levels.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The kind of the noising process, with its parameters.
    pub fn config(&self) -> &NoisingConfig {
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
    /// The schedule is the training one, save for EDM on its own grid and for processes in continuous time, whose levels are placed anew for
    /// every number of steps.
    pub fn visit(&self, grid: Grid, steps: usize) -> Result<(Schedule, Vec<TimeIndex>), CoreError> {
        let schedule = match (self.parameterization, &self.config) {
            (_, NoisingConfig::Process(_)) if steps >= 1 => {
                let schedule = self.noising.visited_schedule(steps, grid)?;
                let all = (0..schedule.steps() as u32).rev().map(TimeIndex).collect();
                return Ok((schedule, all));
            }
            (Parameterization::Edm(_), NoisingConfig::Schedule(config))
                if grid == Grid::Karras && steps >= 1 =>
            {
                ScheduleConfig { train_steps: Some(steps), ..config.clone() }.build()?
            }
            _ => self.schedule.clone(),
        };
        let timesteps = grid.visit(&schedule, steps)?;
        Ok((schedule, timesteps))
    }
}
