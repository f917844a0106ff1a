//! `scheduler/scheduler_config.json`: the noising process, what the network predicts, and how its authors sample it.

use crate::NetsError;
use ddpm_core::grid::Grid;
use ddpm_core::schedule::{ScheduleConfig, ScheduleKind};
use ddpm_core::{CoreError, PredictionKind, Schedule};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// diffusers' name for the variance of an ancestral step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VarianceType {
    /// The posterior variance.
    #[serde(alias = "fixed_small_log")]
    FixedSmall,
    /// The transition variance.
    #[serde(alias = "fixed_large_log")]
    FixedLarge,
    /// Between the two, as the network says.
    LearnedRange,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BetaSchedule {
    Linear,
    ScaledLinear,
    #[serde(rename = "squaredcos_cap_v2")]
    SquaredCosine,
    Sigmoid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PredictionType {
    Epsilon,
    Sample,
    VPrediction,
}

/// The keys of diffusers' `DDPMScheduler` that have a meaning here. Keys of other schedulers are passed over: they concern how *they* step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SchedulerConfig {
    num_train_timesteps: usize,
    beta_start: f64,
    beta_end: f64,
    beta_schedule: BetaSchedule,
    trained_betas: Option<Vec<f64>>,
    rescale_betas_zero_snr: bool,
    prediction_type: PredictionType,
    timestep_spacing: Grid,
    steps_offset: i64,
    /// Variance of an ancestral step.
    pub variance_type: VarianceType,
    /// Clip the predicted x_0 while sampling.
    pub clip_sample: bool,
    /// To plus and minus this.
    pub clip_sample_range: f64,
    /// Dynamic thresholding of the predicted x_0 (Saharia et al. 2022).
    pub thresholding: bool,
    /// Its quantile.
    pub dynamic_thresholding_ratio: f64,
    /// Its cap.
    pub sample_max_value: f64,
}

impl Default for SchedulerConfig {
    /// diffusers' defaults for absent keys.
    fn default() -> Self {
        SchedulerConfig {
            num_train_timesteps: 1000,
            beta_start: 1e-4,
            beta_end: 0.02,
            beta_schedule: BetaSchedule::Linear,
            trained_betas: None,
            rescale_betas_zero_snr: false,
            prediction_type: PredictionType::Epsilon,
            timestep_spacing: Grid::Leading,
            steps_offset: 0,
            variance_type: VarianceType::FixedSmall,
            clip_sample: true,
            clip_sample_range: 1.0,
            thresholding: false,
            dynamic_thresholding_ratio: 0.995,
            sample_max_value: 1.0,
        }
    }
}

impl SchedulerConfig {
    /// The configuration that stands for a noising process. Schedules that diffusers has no name for are written out as betas.
    pub fn new(
        schedule: &ScheduleConfig,
        prediction: PredictionKind,
        spacing: Grid,
        variance_type: VarianceType,
        clip_sample: bool,
    ) -> Result<Self, NetsError> {
        let betas = schedule.build()?.betas();
        let ends = (betas[0], betas[betas.len() - 1]);
        let (beta_schedule, named) = match schedule.schedule {
            ScheduleKind::Linear => (BetaSchedule::Linear, true),
            ScheduleKind::ScaledLinear => (BetaSchedule::ScaledLinear, true),
            ScheduleKind::Cosine => (BetaSchedule::SquaredCosine, true),
            _ => (BetaSchedule::Linear, false),
        };
        let named = named && !schedule.zero_terminal_snr;
        Ok(SchedulerConfig {
            num_train_timesteps: betas.len(),
            beta_start: schedule.beta_start.unwrap_or(ends.0),
            beta_end: schedule.beta_end.unwrap_or(ends.1),
            beta_schedule,
            trained_betas: (!named).then_some(betas),
            prediction_type: match prediction {
                PredictionKind::Epsilon => PredictionType::Epsilon,
                PredictionKind::X0 => PredictionType::Sample,
                PredictionKind::V => PredictionType::VPrediction,
                other => {
                    return Err(NetsError::Config {
                        key: "prediction".into(),
                        reason: format!(
                            "{other:?} cannot be stored in a diffusers pipeline; use epsilon, x0 or v"
                        ),
                    });
                }
            },
            timestep_spacing: spacing,
            variance_type,
            clip_sample,
            ..SchedulerConfig::default()
        })
    }

    pub(super) fn from_json(value: &Value) -> Result<Self, String> {
        let config: SchedulerConfig = serde_json::from_value(value.clone()).map_err(|e| e.to_string())?;
        if config.steps_offset != 0 {
            return Err(format!("steps_offset = {} is not supported, expected 0", config.steps_offset));
        }
        if !matches!(config.timestep_spacing, Grid::Leading | Grid::Linspace | Grid::Trailing) {
            return Err("timestep_spacing must be leading, linspace or trailing".to_string());
        }
        Ok(config)
    }

    pub(super) fn to_json(&self) -> Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            object.insert("_class_name".into(), json!("DDPMScheduler"));
            object.insert("_diffusers_version".into(), json!(super::DIFFUSERS_VERSION));
        }
        value
    }

    /// What the network predicts.
    pub fn prediction(&self) -> PredictionKind {
        match self.prediction_type {
            PredictionType::Epsilon => PredictionKind::Epsilon,
            PredictionType::Sample => PredictionKind::X0,
            PredictionType::VPrediction => PredictionKind::V,
        }
    }

    /// Where the authors place the timesteps of a shorter sampler.
    pub fn spacing(&self) -> Grid {
        self.timestep_spacing
    }

    /// The schedule, taken literally.
    pub fn schedule(&self) -> Result<Schedule, CoreError> {
        self.schedule_config().build()
    }

    /// Which schedule it is, with its parameters.
    pub fn schedule_config(&self) -> ScheduleConfig {
        let mut config = match (&self.trained_betas, self.beta_schedule) {
            (Some(betas), _) => {
                ScheduleConfig { betas: Some(betas.clone()), ..ScheduleConfig::new(ScheduleKind::Betas) }
            }
            (None, BetaSchedule::SquaredCosine) => {
                ScheduleConfig::with_steps(ScheduleKind::Cosine, self.num_train_timesteps)
            }
            (None, named) => {
                let kind = match named {
                    BetaSchedule::ScaledLinear => ScheduleKind::ScaledLinear,
                    BetaSchedule::Sigmoid => ScheduleKind::Sigmoid,
                    BetaSchedule::Linear | BetaSchedule::SquaredCosine => ScheduleKind::Linear,
                };
                let mut config = ScheduleConfig::with_steps(kind, self.num_train_timesteps);
                (config.beta_start, config.beta_end) = (Some(self.beta_start), Some(self.beta_end));
                config
            }
        };
        config.zero_terminal_snr = self.rescale_betas_zero_snr;
        config
    }
}
