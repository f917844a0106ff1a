//! The scheduler's file under a class of our own, `NoisingProcess`, for what no class of diffusers says: variance-exploding schedules and processes in
//! continuous time, networks that are told the log-SNR or sigma.
//!
//! diffusers' `ScoreSdeVeScheduler` is not written: its pipeline clips samples to [0, 1], and data here lie in [-1, 1].

use super::scheduler::{SamplingDefaults, Scheduler};
use crate::Threshold;
use ddpm_core::{
    Grid, NoiseCondition, NoisingConfig, Parameterization, PredictionKind, ProcessConfig, ScheduleConfig,
    Variance,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The class of our own, which checkpoints of networks on vectors name too.
pub(super) const NOISING_CLASS: &str = "NoisingProcess";
/// The keys of the class `NoisingProcess` on images.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoisingFile {
    #[serde(rename = "_class_name")]
    class: String,
    /// The noising process: one of the two, as a configuration file gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schedule: Option<ScheduleConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<ProcessConfig>,
    /// What the network predicts.
    prediction: PredictionKind,
    /// How it is told the noise level.
    condition: NoiseCondition,
    /// The grid of sampling.
    grid: Grid,
    /// The variance of an ancestral step.
    variance: Variance,
    /// What is done to a predicted x_0.
    threshold: Threshold,
}

impl Scheduler {
    /// A scheduler from the content of such a file; the error names the key.
    pub(super) fn of_own_class(value: &Value) -> Result<Self, String> {
        let file: NoisingFile = serde_path_to_error::deserialize(value).map_err(|error| {
            let (key, reason) = (error.path().to_string(), error.inner().to_string());
            if reason.contains("field `") { reason } else { format!("{key}: {reason}") }
        })?;
        let config = NoisingConfig::from_parts(file.schedule, file.process)
            .map_err(|e| e.to_string().replace("diffusion: ", ""))?;
        file.threshold.check().map_err(|error| error.to_string())?;
        let sampling =
            SamplingDefaults { spacing: file.grid, variance: file.variance, threshold: file.threshold };
        let parameterization = Parameterization::Plain { kind: file.prediction, condition: file.condition };
        Self::new(config, parameterization, sampling).map_err(|e| e.to_string().replace("diffusion.", ""))
    }

    /// Whether a class of diffusers states this scheduler.
    pub(super) fn is_of_diffusers(&self) -> bool {
        match (self.parameterization(), self.config()) {
            (Parameterization::Edm(_), _) => true,
            (Parameterization::Plain { condition, .. }, config) => {
                // The variance "learned" of diffusers is the network's output itself.
                condition == NoiseCondition::Timestep
                    && matches!(config, NoisingConfig::Schedule(_))
                    && self.variance() != Variance::Learned
            }
        }
    }

    /// The content of the file under our own class.
    pub(super) fn own_json(&self, prediction: PredictionKind, condition: NoiseCondition) -> Value {
        let (schedule, process) = self.config().clone().into_parts();
        let file = NoisingFile {
            class: NOISING_CLASS.into(),
            schedule,
            process,
            prediction,
            condition,
            grid: self.spacing(),
            variance: self.variance(),
            threshold: self.threshold(),
        };
        serde_json::to_value(file).unwrap_or(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ddpm_core::{ProcessKind, ScheduleKind};
    use serde_json::json;

    #[test]
    fn processes_and_exploding_schedules_survive_their_file_under_a_class_of_our_own() {
        let sampling = SamplingDefaults {
            spacing: Grid::Trailing,
            variance: Variance::FixedLarge,
            threshold: Threshold::UNIT,
        };
        let ve = ScheduleConfig {
            sigma_max: Some(10.0),
            ..ScheduleConfig::with_steps(ScheduleKind::VeGeometric, 12)
        };
        let schedules = [NoisingConfig::Schedule(ve), NoisingConfig::Schedule(ScheduleConfig::default())];
        let processes = ProcessKind::ALL.iter().map(|&kind| {
            let t_min = (kind == ProcessKind::Edm).then_some(0.002);
            NoisingConfig::Process(ProcessConfig::new(kind, t_min))
        });
        let thresholds = [Threshold::UNIT, Threshold::Dynamic { quantile: 0.995, cap: 2.0 }];
        for config in schedules.into_iter().chain(processes) {
            for (condition, threshold) in
                [NoiseCondition::LogSnr, NoiseCondition::Sigma].into_iter().zip(thresholds)
            {
                let sampling = SamplingDefaults { threshold, ..sampling };
                let parameterization = Parameterization::Plain { kind: PredictionKind::Score, condition };
                let scheduler = Scheduler::new(config.clone(), parameterization, sampling).unwrap();
                let value = scheduler.to_json();
                assert_eq!(value["_class_name"], NOISING_CLASS);
                assert_eq!(Scheduler::from_json(&value).unwrap(), scheduler, "{value}");
                let levels = scheduler.schedule().steps();
                assert!((12..=1001).contains(&levels), "{levels}");
            }
        }
        let text = |value: Value| Scheduler::from_json(&value).unwrap_err();
        let vp = Parameterization::Plain { kind: PredictionKind::X0, condition: NoiseCondition::LogSnr };
        let config = NoisingConfig::Process(ProcessConfig::new(ProcessKind::Vp, None));
        let mut value = Scheduler::new(config, vp, sampling).unwrap().to_json();
        value["condition"] = json!("timestep");
        assert!(text(value.clone()).starts_with("condition: must be \"log-snr\" or \"sigma\": \"vp\""));
        value["condition"] = json!("log-snr");
        value["process"]["t_min"] = json!(0.0);
        assert!(text(value.clone()).starts_with("process.t_min: must be above 0"));
        value["process"] = Value::Null;
        assert_eq!(text(value), "expected either schedule or process");
    }
}
