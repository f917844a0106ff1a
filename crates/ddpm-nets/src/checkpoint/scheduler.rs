//! `scheduler/scheduler_config.json`: the noising process, what the network predicts, and how its authors sample it.

use crate::NetsError;
use ddpm_core::grid::Grid;
use ddpm_core::schedule::{Scale, ScheduleConfig, ScheduleKind};
use ddpm_core::{
    CoreError, Parameterization, Preconditioning, PredictionKind, Schedule, TimeIndex, Variance,
};
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
    /// No scheduler of diffusers takes it.
    Score,
}

/// The keys of diffusers' `EDMEulerScheduler`, whose prediction type `epsilon` is the network's F.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct EdmKeys {
    num_train_timesteps: usize,
    sigma_min: f64,
    sigma_max: f64,
    sigma_data: f64,
    sigma_schedule: String,
    rho: f64,
    prediction_type: String,
}

/// The class of `scheduler_config.json` for a network with EDM's preconditioning.
const EDM_CLASS: &str = "EDMEulerScheduler";

impl Default for EdmKeys {
    /// diffusers' defaults for absent keys.
    fn default() -> Self {
        EdmKeys {
            num_train_timesteps: 1000,
            sigma_min: 0.002,
            sigma_max: 80.0,
            sigma_data: 0.5,
            sigma_schedule: "karras".into(),
            rho: 7.0,
            prediction_type: "epsilon".into(),
        }
    }
}

impl EdmKeys {
    fn check(self) -> Result<Self, String> {
        for (key, got, expected) in [
            ("sigma_schedule", &self.sigma_schedule, "karras"),
            ("prediction_type", &self.prediction_type, "epsilon"),
        ] {
            if got != expected {
                return Err(format!("{key} = {got:?} is not supported, expected {expected:?}"));
            }
        }
        Ok(self)
    }

    /// The Karras levels of a run of `steps`.
    fn schedule(&self, steps: usize) -> Result<Schedule, CoreError> {
        self.config(steps).build()
    }

    fn config(&self, steps: usize) -> ScheduleConfig {
        ScheduleConfig {
            sigma_min: Some(self.sigma_min),
            sigma_max: Some(self.sigma_max),
            rho: Some(self.rho),
            ..ScheduleConfig::with_steps(ScheduleKind::Karras, steps)
        }
    }
}

/// The keys of diffusers' `DDPMScheduler` that have a meaning here. Keys of other schedulers are passed over: they concern how *they* step.
///
/// A network with EDM's preconditioning has an `EDMEulerScheduler` instead.
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
    /// Set where the network has EDM's preconditioning: the process is then sigma from these keys, and the keys above do not count.
    #[serde(skip)]
    edm: Option<EdmKeys>,
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
            edm: None,
        }
    }
}

impl SchedulerConfig {
    /// The configuration that stands for a noising process. Schedules that diffusers has no name for are written out as betas.
    ///
    /// EDM's preconditioning goes with the `karras` schedule; every other prediction with a variance-preserving one.
    pub fn new(
        schedule: &ScheduleConfig,
        parameterization: Parameterization,
        spacing: Grid,
        variance_type: VarianceType,
        clip_sample: bool,
    ) -> Result<Self, NetsError> {
        let built = schedule.build()?;
        let wrong = |key: &str, reason: String| NetsError::Diffusion { key: key.into(), reason };
        let kind = match (parameterization, schedule.schedule) {
            (Parameterization::Edm(edm), ScheduleKind::Karras) => {
                return Self::edm(schedule, edm, &built, clip_sample);
            }
            (Parameterization::Edm(_), other) => {
                let reason = format!("must be \"karras\" for prediction \"edm\", got {:?}", other.name());
                return Err(wrong("schedule.kind", reason));
            }
            (Parameterization::Plain(kind), _) if built.scale() == Scale::VariancePreserving => kind,
            (Parameterization::Plain(_), other) => {
                let reason = format!(
                    "{:?} explodes the variance, which an image checkpoint stores with prediction \"edm\" alone; use karras with it, or another schedule",
                    other.name()
                );
                return Err(wrong("schedule.kind", reason));
            }
        };
        let no_signal = built.levels().next_back().is_some_and(|level| level.log_snr() == f64::NEG_INFINITY);
        if no_signal && matches!(kind, PredictionKind::Epsilon | PredictionKind::Score) {
            let reason = "must be \"v\" or \"x0\" with zero_terminal_snr: the last level has no signal, so that x_0 does not follow from the noise".to_string();
            return Err(wrong("prediction", reason));
        }
        let betas = built.betas();
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
            prediction_type: match kind {
                PredictionKind::Epsilon => PredictionType::Epsilon,
                PredictionKind::X0 => PredictionType::Sample,
                PredictionKind::V => PredictionType::VPrediction,
                PredictionKind::Score => PredictionType::Score,
            },
            timestep_spacing: spacing,
            variance_type,
            clip_sample,
            ..SchedulerConfig::default()
        })
    }

    fn edm(
        schedule: &ScheduleConfig,
        edm: Preconditioning,
        built: &Schedule,
        clip_sample: bool,
    ) -> Result<Self, NetsError> {
        let positive = edm.sigma_data > 0.0 && edm.sigma_data.is_finite();
        if !positive {
            let reason = format!("must be positive, got {}", edm.sigma_data);
            return Err(NetsError::Diffusion { key: "sigma_data".into(), reason });
        }
        let default = EdmKeys::default();
        Ok(SchedulerConfig {
            timestep_spacing: Grid::Karras,
            clip_sample,
            edm: Some(EdmKeys {
                num_train_timesteps: built.steps(),
                sigma_min: schedule.sigma_min.unwrap_or(default.sigma_min),
                sigma_max: schedule.sigma_max.unwrap_or(default.sigma_max),
                sigma_data: edm.sigma_data,
                rho: schedule.rho.unwrap_or(default.rho),
                ..default
            }),
            ..SchedulerConfig::default()
        })
    }

    pub(super) fn from_json(value: &Value) -> Result<Self, String> {
        if value.get("_class_name").and_then(Value::as_str) == Some(EDM_CLASS) {
            let keys: EdmKeys = serde_json::from_value(value.clone()).map_err(|e| e.to_string())?;
            let clip_sample = value.get("clip_sample").and_then(Value::as_bool).unwrap_or(false);
            return Ok(SchedulerConfig {
                timestep_spacing: Grid::Karras,
                clip_sample,
                edm: Some(keys.check()?),
                ..SchedulerConfig::default()
            });
        }
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
        let (mut value, class) = match &self.edm {
            Some(keys) => (serde_json::to_value(keys).unwrap_or_default(), EDM_CLASS),
            None => (serde_json::to_value(self).unwrap_or_default(), "DDPMScheduler"),
        };
        if let Some(object) = value.as_object_mut() {
            object.insert("_class_name".into(), json!(class));
            object.insert("_diffusers_version".into(), json!(super::DIFFUSERS_VERSION));
            if self.edm.is_some() {
                object.insert("clip_sample".into(), json!(self.clip_sample));
            }
        }
        value
    }

    /// The class of the scheduler's file.
    pub(super) fn class(&self) -> &'static str {
        if self.edm.is_some() { EDM_CLASS } else { "DDPMScheduler" }
    }

    /// The class of the pipeline: diffusers' own where that can sample the model.
    pub(super) fn pipeline_class(&self) -> &'static str {
        match (&self.edm, self.prediction_type) {
            (Some(_), _) => "EdmPipeline",
            (None, PredictionType::Score) => "ImageScorePipeline",
            (None, _) => "DDPMPipeline",
        }
    }

    /// What the network is shown and what its output stands for.
    pub fn parameterization(&self) -> Parameterization {
        if let Some(keys) = &self.edm {
            return Parameterization::Edm(Preconditioning { sigma_data: keys.sigma_data });
        }
        Parameterization::Plain(match self.prediction_type {
            PredictionType::Epsilon => PredictionKind::Epsilon,
            PredictionType::Sample => PredictionKind::X0,
            PredictionType::VPrediction => PredictionKind::V,
            PredictionType::Score => PredictionKind::Score,
        })
    }

    /// The levels that a sampler of `steps` steps visits: timesteps of a schedule, the noisiest first.
    ///
    /// The schedule is the training one, save for EDM on its own grid, which places its levels anew for every number of steps.
    pub fn visit(&self, grid: Grid, steps: usize) -> Result<(Schedule, Vec<TimeIndex>), CoreError> {
        let schedule = match &self.edm {
            Some(keys) if grid == Grid::Karras && steps >= 1 => keys.schedule(steps)?,
            _ => self.schedule()?,
        };
        let timesteps = grid.visit(&schedule, steps)?;
        Ok((schedule, timesteps))
    }

    /// The variance that the authors sample with.
    pub fn variance(&self) -> Variance {
        match self.variance_type {
            VarianceType::FixedSmall => Variance::FixedSmall,
            VarianceType::FixedLarge => Variance::FixedLarge,
            VarianceType::LearnedRange => Variance::LearnedRange,
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
        if let Some(keys) = &self.edm {
            return keys.config(keys.num_train_timesteps);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn karras() -> ScheduleConfig {
        ScheduleConfig { sigma_max: Some(50.0), ..ScheduleConfig::new(ScheduleKind::Karras) }
    }

    fn new(schedule: &ScheduleConfig, of: impl Into<Parameterization>) -> Result<SchedulerConfig, NetsError> {
        SchedulerConfig::new(schedule, of.into(), Grid::Trailing, VarianceType::FixedSmall, false)
    }

    #[test]
    fn every_parameterization_survives_its_file() {
        let edm = Parameterization::Edm(Preconditioning { sigma_data: 0.4 });
        let all = [PredictionKind::Epsilon, PredictionKind::X0, PredictionKind::V, PredictionKind::Score];
        let plain = all.map(|kind| (ScheduleConfig::default(), Parameterization::Plain(kind)));
        for (schedule, parameterization) in plain.into_iter().chain([(karras(), edm)]) {
            let config = new(&schedule, parameterization).unwrap();
            let back = SchedulerConfig::from_json(&config.to_json()).unwrap();
            assert_eq!(back, config);
            assert_eq!(back.parameterization(), parameterization);
            let (got, expected) = (back.schedule().unwrap(), schedule.build().unwrap());
            for (got, expected) in got.levels().zip(expected.levels()) {
                assert!((got.log_snr() - expected.log_snr()).abs() < 1e-10);
            }
        }
    }

    #[test]
    fn edm_places_its_levels_for_every_number_of_steps() {
        let config = new(&karras(), Parameterization::Edm(Preconditioning::default())).unwrap();
        let (schedule, timesteps) = config.visit(config.spacing(), 5).unwrap();
        let sigmas: Vec<f64> =
            schedule.visited(&timesteps).unwrap().iter().map(ddpm_core::Level::relative_sigma).collect();
        // Karras et al. 2022, eq. 5.
        for (i, sigma) in sigmas.iter().enumerate() {
            let (low, high) = (0.002f64.powf(1.0 / 7.0), 50f64.powf(1.0 / 7.0));
            assert!((sigma / (high + i as f64 / 4.0 * (low - high)).powi(7) - 1.0).abs() < 1e-10);
        }
        assert_eq!(config.visit(Grid::Trailing, 5).unwrap().0.steps(), 1000);
    }

    #[test]
    fn what_a_checkpoint_cannot_say_is_refused_by_key() {
        let text =
            |schedule: &ScheduleConfig, of: Parameterization| new(schedule, of).unwrap_err().to_string();
        let edm = Parameterization::Edm(Preconditioning::default());
        assert!(
            text(&ScheduleConfig::default(), edm).starts_with("diffusion.schedule.kind: must be \"karras\"")
        );
        assert!(
            text(&karras(), PredictionKind::X0.into())
                .starts_with("diffusion.schedule.kind: \"karras\" explodes")
        );
        let terminal = ScheduleConfig { zero_terminal_snr: true, ..ScheduleConfig::default() };
        assert!(
            text(&terminal, PredictionKind::Epsilon.into())
                .starts_with("diffusion.prediction: must be \"v\"")
        );
        assert!(new(&terminal, PredictionKind::V).is_ok());
        let negative = Parameterization::Edm(Preconditioning { sigma_data: -1.0 });
        assert!(text(&karras(), negative).contains("diffusion.sigma_data: must be positive"));
        let exponential = json!({"_class_name": "EDMEulerScheduler", "sigma_schedule": "exponential"});
        assert!(SchedulerConfig::from_json(&exponential).unwrap_err().contains("sigma_schedule"));
    }
}
