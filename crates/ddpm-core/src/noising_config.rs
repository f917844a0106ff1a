//! The noising process as a configuration file gives it: a discrete schedule, or a process in continuous time.
//!
//! ```toml
//! [diffusion.schedule]
//! kind = "linear"              # a ScheduleConfig
//!
//! [diffusion.process]
//! kind = "vp"                  # vp, sub-vp, ve, ou or edm
//! beta_max = 20.0
//! ```

use crate::{CoreError, Noising, Process, ProcessKind, ScheduleConfig};
use serde::{Deserialize, Serialize};

/// A schedule or a process, with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Sections", into = "Sections")]
pub enum NoisingConfig {
    /// A discrete schedule.
    Schedule(ScheduleConfig),
    /// A process in continuous time.
    Process(ProcessConfig),
}

/// The two keys of a file, of which one is given.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sections {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schedule: Option<ScheduleConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<ProcessConfig>,
}

impl TryFrom<Sections> for NoisingConfig {
    type Error = CoreError;

    fn try_from(sections: Sections) -> Result<Self, CoreError> {
        NoisingConfig::from_parts(sections.schedule, sections.process)
    }
}

impl From<NoisingConfig> for Sections {
    fn from(config: NoisingConfig) -> Self {
        let (schedule, process) = config.into_parts();
        Sections { schedule, process }
    }
}

impl From<ScheduleConfig> for NoisingConfig {
    fn from(config: ScheduleConfig) -> Self {
        NoisingConfig::Schedule(config)
    }
}

impl NoisingConfig {
    /// From the two keys of a file, of which one must be given.
    pub fn from_parts(
        schedule: Option<ScheduleConfig>,
        process: Option<ProcessConfig>,
    ) -> Result<Self, CoreError> {
        match (schedule, process) {
            (Some(schedule), None) => Ok(NoisingConfig::Schedule(schedule)),
            (None, Some(process)) => Ok(NoisingConfig::Process(process)),
            _ => Err(CoreError::Unsupported("diffusion: expected either schedule or process".into())),
        }
    }

    /// The two keys of a file.
    pub fn into_parts(self) -> (Option<ScheduleConfig>, Option<ProcessConfig>) {
        match self {
            NoisingConfig::Schedule(schedule) => (Some(schedule), None),
            NoisingConfig::Process(process) => (None, Some(process)),
        }
    }

    /// The noising process that the configuration describes.
    pub fn build(&self) -> Result<Noising, CoreError> {
        match self {
            NoisingConfig::Schedule(config) => Ok(Noising::Discrete(config.build()?)),
            NoisingConfig::Process(config) => config.build(),
        }
    }

    /// The name of its kind, such as `linear` or `vp`.
    pub fn name(&self) -> &'static str {
        match self {
            NoisingConfig::Schedule(config) => config.schedule.name(),
            NoisingConfig::Process(config) => config.kind.into(),
        }
    }
}

/// A process and its parameters; a key that is left out takes the kind's default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessConfig {
    /// Which process.
    pub kind: ProcessKind,
    /// beta(0) of vp and sub-vp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta_min: Option<f64>,
    /// beta(1) of vp and sub-vp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta_max: Option<f64>,
    /// sigma(0) of ve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma_min: Option<f64>,
    /// The greatest sigma of ve and edm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma_max: Option<f64>,
    /// The last time of ou.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub horizon: Option<f64>,
    /// The smallest time that is trained and sampled; [`Process::smallest_time`] unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t_min: Option<f64>,
}

impl ProcessConfig {
    /// The kind with its default parameters, down to `t_min` where it is given.
    pub fn new(kind: ProcessKind, t_min: Option<f64>) -> Self {
        ProcessConfig {
            kind,
            beta_min: None,
            beta_max: None,
            sigma_min: None,
            sigma_max: None,
            horizon: None,
            t_min,
        }
    }

    /// The process down to its smallest time, after checking every key.
    pub fn build(&self) -> Result<Noising, CoreError> {
        let mut process = self.kind.process();
        let mut unused = self.given();
        let mut set = |key: &'static str, value: &mut f64| {
            unused.retain(|(given, new)| {
                if *given == key {
                    *value = *new;
                }
                *given != key
            });
        };
        match &mut process {
            Process::VariancePreserving { beta_min, beta_max }
            | Process::SubVariancePreserving { beta_min, beta_max } => {
                set("beta_min", beta_min);
                set("beta_max", beta_max);
                positive("beta_min", *beta_min)?;
                above("beta_max", "above beta_min", *beta_max, *beta_min)?;
            }
            Process::VarianceExploding { sigma_min, sigma_max } => {
                set("sigma_min", sigma_min);
                set("sigma_max", sigma_max);
                positive("sigma_min", *sigma_min)?;
                above("sigma_max", "above sigma_min", *sigma_max, *sigma_min)?;
            }
            Process::OrnsteinUhlenbeck { horizon } => {
                set("horizon", horizon);
                positive("horizon", *horizon)?;
            }
            Process::Edm { sigma_max } => {
                set("sigma_max", sigma_max);
                positive("sigma_max", *sigma_max)?;
            }
            Process::Discrete(_) => {}
        }
        if let Some((key, _)) = unused.first() {
            let kind = self.kind.to_string();
            return Err(CoreError::Unsupported(format!("process {kind:?} does not take key {key:?}")));
        }
        let t_min = self.t_min.unwrap_or(process.smallest_time());
        Noising::continuous(process, t_min)
    }

    fn given(&self) -> Vec<(&'static str, f64)> {
        let keys = [
            ("beta_min", self.beta_min),
            ("beta_max", self.beta_max),
            ("sigma_min", self.sigma_min),
            ("sigma_max", self.sigma_max),
            ("horizon", self.horizon),
        ];
        keys.into_iter().filter_map(|(key, value)| value.map(|value| (key, value))).collect()
    }
}

fn positive(name: &'static str, value: f64) -> Result<f64, CoreError> {
    CoreError::check(name, "positive", value, value > 0.0 && value.is_finite())
}

fn above(name: &'static str, expected: &'static str, value: f64, bound: f64) -> Result<f64, CoreError> {
    CoreError::check(name, expected, value, value > bound && value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<Noising, String> {
        let config: NoisingConfig = serde_json::from_str(text).map_err(|e| e.to_string())?;
        config.build().map_err(|e| e.to_string())
    }

    #[test]
    fn configurations_name_a_schedule_or_a_process() {
        let discrete =
            config(r#"{"schedule":{"kind":"ve-geometric","train_steps":3,"sigma_min":0.1,"sigma_max":10}}"#);
        let sigmas: Vec<f64> = [0.0, 0.4, 0.99]
            .iter()
            .map(|&u| discrete.as_ref().unwrap().level_at(u).unwrap().sigma())
            .collect();
        for (got, expected) in sigmas.iter().zip([0.1, 1.0, 10.0]) {
            assert!((got / expected - 1.0).abs() < 1e-12);
        }
        let Noising::Continuous { process, t_min } = config(r#"{"process":{"kind":"vp"}}"#).unwrap() else {
            panic!("a process")
        };
        assert_eq!((process, t_min), (Process::VP, 1e-3));
        let ve = config(r#"{"process":{"kind":"ve","sigma_min":0.1,"sigma_max":4}}"#).unwrap();
        assert!((ve.level_at(0.5).unwrap().sigma() - 0.4f64.sqrt()).abs() < 1e-12);
        let linear =
            config(r#"{"schedule":{"kind":"linear","train_steps":1000}}"#).unwrap().spread(9).unwrap();
        let apart: Vec<f64> = linear.windows(2).map(|pair| pair[0].log_snr() - pair[1].log_snr()).collect();
        assert!(
            linear.len() == 9 && apart.iter().all(|gap| (gap - apart.iter().sum::<f64>() / 8.0).abs() < 0.5)
        );
        let spread = ve.spread(3).unwrap();
        assert!((spread[1].sigma() - 0.4f64.sqrt()).abs() < 1e-12 && (spread[2].sigma() - 4.0).abs() < 1e-12);
    }

    #[test]
    fn errors_name_the_key() {
        let wrong = |text: &str| config(text).unwrap_err();
        assert!(wrong(r#"{"process":{"kind":"xp"}}"#).contains("unknown process \"xp\"; expected one of vp"));
        assert!(
            wrong(r#"{"process":{"kind":"ve","beta_min":1}}"#).contains("does not take key \"beta_min\"")
        );
        assert!(
            wrong(r#"{"process":{"kind":"ve","sigma_min":5,"sigma_max":1}}"#)
                .contains("sigma_max must be above")
        );
        assert!(wrong(r#"{"process":{"kind":"vp","t_min":1}}"#).contains("t_min must be"));
        assert!(wrong(r#"{"process":{"kind":"edm","t_min":1e-40}}"#).contains("single precision"));
        let both = r#"{"process":{"kind":"vp"},"schedule":{"kind":"linear"}}"#;
        for text in [both, "{}"] {
            assert_eq!(wrong(text), "diffusion: expected either schedule or process");
        }
        assert!(wrong(r#"{"process":{"kind":"vp","beta":1}}"#).contains("unknown field `beta`"));
    }
}
