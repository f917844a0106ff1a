//! Levels that a sampler visits, chosen one by one instead of by a number of steps and a grid.

use crate::{
    CoreError, Level, Noising, Process, Scale, Schedule, Time, TimeIndex, Trajectory, nearest_timesteps,
};
use serde::{Deserialize, Serialize};

/// The levels, the noisiest first: `{"timesteps": [999, 500, 0]}`, counted from 0 as in checkpoints, or `{"log_snr": [-9.5, 0.0, 8.0]}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChosenLevels {
    /// Training timesteps of a schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timesteps: Option<Vec<u32>>,
    /// Log-SNRs; on a schedule with timesteps the nearest ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_snr: Option<Vec<f64>>,
}

impl ChosenLevels {
    /// These training timesteps.
    pub fn of_timesteps(timesteps: &[TimeIndex]) -> Self {
        ChosenLevels { timesteps: Some(timesteps.iter().map(|t| t.0).collect()), log_snr: None }
    }

    /// These log-SNRs.
    pub fn of_log_snrs(log_snrs: Vec<f64>) -> Self {
        ChosenLevels { timesteps: None, log_snr: Some(log_snrs) }
    }

    /// The timesteps of a variance-preserving schedule, the noisiest first.
    pub fn timesteps(&self, schedule: &Schedule) -> Result<Vec<TimeIndex>, CoreError> {
        match self.only()? {
            Chosen::Timesteps(timesteps) => {
                let mut last = schedule.steps() as u32;
                for (index, &t) in timesteps.iter().enumerate() {
                    if t >= last {
                        let (name, got) = ("timesteps", f64::from(t));
                        let expected = "falling, and below the number of training levels";
                        return Err(CoreError::Entry { name, index, expected, got });
                    }
                    last = t;
                }
                Ok(timesteps.iter().map(|&t| TimeIndex(t)).collect())
            }
            Chosen::LogSnr(log_snrs) => {
                let levels: Vec<Level> = schedule.levels().collect();
                within(log_snrs, &levels[levels.len() - 1], &levels[0])?;
                if log_snrs.len() > schedule.steps() {
                    let (expected, got) = (schedule.steps(), log_snrs.len());
                    return Err(CoreError::Dimension { what: "log_snr".into(), expected, got });
                }
                Ok(nearest_timesteps(schedule, log_snrs))
            }
        }
    }

    /// The trajectory of a sampler along a noising process: on a schedule a last step to data follows, as [`Trajectory::discrete`] has it.
    pub fn trajectory(&self, noising: &Noising) -> Result<Trajectory, CoreError> {
        match noising {
            Noising::Discrete(schedule) if schedule.scale() == Scale::VariancePreserving => {
                Trajectory::discrete(schedule, &self.timesteps(schedule)?)
            }
            Noising::Discrete(schedule) => match self.only()? {
                Chosen::Timesteps(_) => Trajectory::discrete(schedule, &self.timesteps(schedule)?),
                Chosen::LogSnr(log_snrs) => {
                    let levels: Vec<Level> = schedule.levels().collect();
                    within(log_snrs, &levels[levels.len() - 1], &levels[0])?;
                    let at = |&log_snr: &f64| {
                        Level::variance_exploding(log_snr, Time::Sigma((-0.5 * log_snr).exp()))
                    };
                    let levels = log_snrs.iter().map(at).chain([Level::CLEAN]).collect();
                    Trajectory::of_levels(levels, schedule.scale(), Process::from_schedule(schedule).ok())
                }
            },
            Noising::Continuous { process, .. } => match self.only()? {
                Chosen::Timesteps(_) => Err(CoreError::Unsupported(
                    "levels: a process in continuous time has no timesteps; expected {\"log_snr\": [...]}"
                        .into(),
                )),
                Chosen::LogSnr(log_snrs) => {
                    let (least, most) = noising.ends()?;
                    within(log_snrs, &most, &least)?;
                    let levels =
                        log_snrs.iter().map(|&at| process.level_at_log_snr(at)).collect::<Result<_, _>>()?;
                    Trajectory::of_levels(levels, process.scale(), Some(process.clone()))
                }
            },
        }
    }

    fn only(&self) -> Result<Chosen<'_>, CoreError> {
        let chosen = match (&self.timesteps, &self.log_snr) {
            (Some(timesteps), None) => Chosen::Timesteps(timesteps),
            (None, Some(log_snrs)) => Chosen::LogSnr(log_snrs),
            _ => {
                return Err(CoreError::Unsupported(
                    "levels: expected either {\"timesteps\": [...]} or {\"log_snr\": [...]}".into(),
                ));
            }
        };
        let count = match chosen {
            Chosen::Timesteps(timesteps) => timesteps.len(),
            Chosen::LogSnr(log_snrs) => log_snrs.len(),
        };
        CoreError::check("number of levels", "at least 1", count as f64, count > 0)?;
        Ok(chosen)
    }
}

enum Chosen<'a> {
    Timesteps(&'a [u32]),
    LogSnr(&'a [f64]),
}

/// Checks that log-SNRs rise, between those of two levels.
fn within(log_snrs: &[f64], noisiest: &Level, least: &Level) -> Result<(), CoreError> {
    // Decimals in a file miss the ends by their rounding.
    let slack = |end: f64| 1e-6 * (1.0 + end.abs());
    let (low, high) = (noisiest.log_snr(), least.log_snr());
    let mut before = f64::NEG_INFINITY;
    for (index, &got) in log_snrs.iter().enumerate() {
        let inside = got.is_finite() && got >= low - slack(low) && got <= high + slack(high);
        if !(inside && got > before) {
            let expected = "rising, and between the process's most and least noise";
            return Err(CoreError::Entry { name: "log_snr", index, expected, got });
        }
        before = got;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Grid, NoisingConfig, ProcessConfig, ProcessKind, ScheduleConfig, ScheduleKind};

    fn read(text: &str) -> ChosenLevels {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn chosen_levels_are_those_of_a_grid_where_they_are_the_same() {
        let schedule = Schedule::linear(1000).unwrap();
        let noising = Noising::Discrete(schedule.clone());
        let timesteps = Grid::Trailing.visit(&schedule, 10).unwrap();
        let expected = Trajectory::discrete(&schedule, &timesteps).unwrap();
        let by_timestep = ChosenLevels::of_timesteps(&timesteps);
        assert_eq!(by_timestep.trajectory(&noising).unwrap(), expected);
        let log_snrs = timesteps.iter().map(|&t| schedule.level(t).log_snr()).collect();
        assert_eq!(ChosenLevels::of_log_snrs(log_snrs).trajectory(&noising).unwrap(), expected);
        let text = serde_json::to_string(&by_timestep).unwrap();
        assert_eq!(read(&text), by_timestep);

        let process = NoisingConfig::Process(ProcessConfig::new(ProcessKind::Vp, None)).build().unwrap();
        let levels = read(r#"{"log_snr": [-9, 0, 5]}"#).trajectory(&process).unwrap();
        assert!(levels.levels().len() == 3 && levels.levels()[1].log_snr().abs() < 1e-12);
        let karras = ScheduleConfig { sigma_max: Some(50.0), ..ScheduleConfig::new(ScheduleKind::Karras) };
        let karras = NoisingConfig::Schedule(karras).build().unwrap();
        let levels = read(r#"{"log_snr": [-7.8, 1.5, 12]}"#).trajectory(&karras).unwrap();
        assert_eq!((levels.levels().len(), levels.levels()[1].log_snr()), (4, 1.5));
    }

    #[test]
    fn levels_that_do_not_exist_or_do_not_fall_are_named() {
        let noising = Noising::Discrete(Schedule::linear(100).unwrap());
        let refused = |text: &str| read(text).trajectory(&noising).unwrap_err().to_string();
        assert!(refused(r#"{"timesteps": [99, 99]}"#).starts_with("timesteps[1] must be falling"));
        assert!(refused(r#"{"timesteps": [100]}"#).contains("got 100"));
        assert!(refused(r#"{"log_snr": [0, -1]}"#).starts_with("log_snr[1] must be rising"));
        assert!(refused(r#"{"log_snr": [-50]}"#).contains("most and least noise"));
        assert!(refused(r#"{"log_snr": []}"#).contains("at least 1"));
        assert!(refused("{}").contains("expected either"));
        assert!(refused(r#"{"log_snr": [0], "timesteps": [1]}"#).contains("expected either"));
        let process = NoisingConfig::Process(ProcessConfig::new(ProcessKind::Vp, None)).build().unwrap();
        let text = read(r#"{"timesteps": [1]}"#).trajectory(&process).unwrap_err().to_string();
        assert!(text.contains("no timesteps"), "{text}");
        assert!(serde_json::from_str::<ChosenLevels>(r#"{"timestep": [1]}"#).is_err());
    }
}
