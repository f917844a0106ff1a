//! Reading and writing of `scheduler/scheduler_config.json`.
//!
//! A file is read by its class: absent keys take the defaults of that class ([`super::scheduler_classes`]). Keys that say how a class of
//! diffusers places or takes its steps are ignored where the samplers here do not need them; a value that changes the noising process and is
//! not supported is an error. Null stands for an absent key, or for false. What no class of diffusers says has a file of our own class:
//! [`super::noising_file`].

use super::json_keys::Keys;
use super::layout::{DIFFUSERS_VERSION, Part};
use super::noising_file::NOISING_CLASS;
use super::python_json::read_json;
use super::scheduler::{SamplingDefaults, Scheduler};
use super::scheduler_classes::{EDM_CLASS, find};
use crate::{NetsError, Threshold};
use ddpm_core::{
    Grid, NoisingConfig, Parameterization, Preconditioning, PredictionKind, ScheduleConfig, ScheduleKind,
    Variance,
};
use serde_json::{Value, json};
use std::path::Path;

/// The class that is written for variance-preserving schedules with timesteps.
const DDPM_CLASS: &str = "DDPMScheduler";
/// More training levels than this are refused before memory is asked for.
const MOST_TIMESTEPS: u64 = 1_000_000;

const PREDICTIONS: [(&str, PredictionKind); 4] = [
    ("epsilon", PredictionKind::Epsilon),
    ("sample", PredictionKind::X0),
    ("v_prediction", PredictionKind::V),
    // No scheduler of diffusers takes it.
    ("score", PredictionKind::Score),
];
const VARIANCES: [(&str, Variance); 5] = [
    ("fixed_small", Variance::FixedSmall),
    ("fixed_large", Variance::FixedLarge),
    ("learned_range", Variance::LearnedRange),
    ("fixed_small_log", Variance::FixedSmall),
    ("fixed_large_log", Variance::FixedLarge),
];
const SPACINGS: [(&str, Grid); 3] =
    [("leading", Grid::Leading), ("linspace", Grid::Linspace), ("trailing", Grid::Trailing)];
const SCHEDULES: [(&str, ScheduleKind); 4] = [
    ("linear", ScheduleKind::Linear),
    ("scaled_linear", ScheduleKind::ScaledLinear),
    ("squaredcos_cap_v2", ScheduleKind::Cosine),
    ("sigmoid", ScheduleKind::Sigmoid),
];

impl Scheduler {
    /// Reads a scheduler's file.
    pub(super) fn read(path: &Path) -> Result<Self, NetsError> {
        Self::from_json(&read_json(path)?).map_err(|reason| NetsError::format(path, reason))
    }

    /// A scheduler from the content of its file; the error names the key.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        let keys = Keys(value.as_object().ok_or("expected a JSON object")?);
        let class = keys
            .given("_class_name")
            .and_then(Value::as_str)
            .ok_or("_class_name: expected the class of the scheduler, got none")?;
        match class {
            EDM_CLASS => Self::edm_from_keys(&keys),
            NOISING_CLASS => Self::of_own_class(value),
            _ => Self::from_keys(&keys, class),
        }
    }

    fn from_keys(keys: &Keys<'_>, class: &str) -> Result<Self, String> {
        let class = find(class)?;
        // Other values change the noising process.
        keys.fixed("use_flow_sigmas", false)?;
        keys.fixed("timestep_type", "discrete")?;
        if class.name.starts_with("DDIM") {
            // Other values change where DDIM ends.
            keys.fixed("set_alpha_to_one", true)?;
        }
        let steps = keys.count("num_train_timesteps", 1000, MOST_TIMESTEPS)?;
        let kind = keys.word("beta_schedule", ScheduleKind::Linear, &SCHEDULES)?;
        let [start, end] = class.betas;
        let (start, end) = (keys.number("beta_start", start)?, keys.number("beta_end", end)?);
        let mut config = match keys.numbers("trained_betas", steps)? {
            Some(betas) => ScheduleConfig { betas: Some(betas), ..ScheduleConfig::new(ScheduleKind::Betas) },
            None => ScheduleConfig::with_steps(kind, steps),
        };
        if !matches!(config.schedule, ScheduleKind::Betas | ScheduleKind::Cosine) {
            (config.beta_start, config.beta_end) = (Some(start), Some(end));
        }
        config.zero_terminal_snr = keys.flag("rescale_betas_zero_snr", false)?;
        let spacing = keys.word("timestep_spacing", class.spacing, &SPACINGS)?;
        if spacing == Grid::Leading {
            keys.fixed("steps_offset", 0)?;
        }
        let clips = class.clips.map(|default| keys.flag("clip_sample", default)).transpose()?;
        let threshold = if class.thresholds && keys.flag("thresholding", false)? {
            Threshold::Dynamic {
                quantile: keys.number("dynamic_thresholding_ratio", 0.995)?,
                cap: keys.number("sample_max_value", 1.0)?,
            }
        } else if clips == Some(true) {
            Threshold::Clip { range: keys.number("clip_sample_range", 1.0)? }
        } else {
            Threshold::None
        };
        // The keys hold the numbers that these names are of.
        threshold.check().map_err(|error| {
            let text = error.to_string();
            text.replace("clip range", "clip_sample_range")
                .replace("threshold quantile", "dynamic_thresholding_ratio")
                .replace("threshold cap", "sample_max_value")
        })?;
        let prediction = keys.word("prediction_type", PredictionKind::Epsilon, &PREDICTIONS)?;
        let variance = keys.word("variance_type", Variance::FixedSmall, &VARIANCES)?;
        let sampling = SamplingDefaults { spacing, variance, threshold };
        Self::unchecked(config, prediction.into(), sampling).map_err(|e| e.to_string())
    }

    fn edm_from_keys(keys: &Keys<'_>) -> Result<Self, String> {
        keys.fixed("sigma_schedule", "karras")?;
        keys.fixed("prediction_type", "epsilon")?;
        let steps = keys.count("num_train_timesteps", 1000, MOST_TIMESTEPS)?;
        let config = ScheduleConfig {
            sigma_min: Some(keys.number("sigma_min", 0.002)?),
            sigma_max: Some(keys.number("sigma_max", 80.0)?),
            rho: Some(keys.number("rho", 7.0)?),
            ..ScheduleConfig::with_steps(ScheduleKind::Karras, steps)
        };
        let edm = Preconditioning { sigma_data: keys.number("sigma_data", 0.5)? };
        let clips = keys.flag("clip_sample", false)?;
        let sampling = SamplingDefaults {
            spacing: Grid::Karras,
            variance: Variance::FixedSmall,
            threshold: if clips { Threshold::UNIT } else { Threshold::None },
        };
        Self::unchecked(config, Parameterization::Edm(edm), sampling).map_err(|e| e.to_string())
    }

    /// The part of a pipeline directory that states this scheduler.
    pub(super) fn part(&self) -> Part {
        let (library, class) = match self.parameterization() {
            Parameterization::Edm(_) => ("diffusers", EDM_CLASS),
            Parameterization::Plain { .. } if self.is_of_diffusers() => ("diffusers", DDPM_CLASS),
            Parameterization::Plain { .. } => ("ddpm", NOISING_CLASS),
        };
        Part { library, class, config: self.to_json() }
    }

    /// The class of the pipeline: diffusers' own where that can sample the model.
    pub(super) fn pipeline_class(&self) -> &'static str {
        match self.parameterization() {
            Parameterization::Edm(_) => "EdmPipeline",
            Parameterization::Plain { kind: PredictionKind::Score, .. } => "ImageScorePipeline",
            Parameterization::Plain { .. } if self.is_of_diffusers() => "DDPMPipeline",
            Parameterization::Plain { .. } => "ImageScorePipeline",
        }
    }

    /// The content of the scheduler's file. Schedules that diffusers has no name for are written out as betas.
    pub fn to_json(&self) -> Value {
        let (kind, config) = match (self.parameterization(), self.config()) {
            (Parameterization::Edm(edm), NoisingConfig::Schedule(config)) => {
                return json!({
                    "num_train_timesteps": self.schedule().steps(),
                    "sigma_min": config.sigma_min.unwrap_or(0.002),
                    "sigma_max": config.sigma_max.unwrap_or(80.0),
                    "sigma_data": edm.sigma_data,
                    "sigma_schedule": "karras",
                    "rho": config.rho.unwrap_or(7.0),
                    "prediction_type": "epsilon",
                    "_class_name": EDM_CLASS,
                    "_diffusers_version": DIFFUSERS_VERSION,
                    "clip_sample": self.threshold() != Threshold::None,
                });
            }
            (Parameterization::Plain { kind, .. }, NoisingConfig::Schedule(config))
                if self.is_of_diffusers() =>
            {
                (kind, config)
            }
            (Parameterization::Plain { kind, condition }, _) => return self.own_json(kind, condition),
            // `Scheduler::new` gives EDM a schedule.
            (Parameterization::Edm(_), NoisingConfig::Process(_)) => return Value::Null,
        };
        let betas = self.schedule().betas();
        let named = match config.schedule {
            ScheduleKind::Linear | ScheduleKind::ScaledLinear | ScheduleKind::Cosine
                if !config.zero_terminal_snr =>
            {
                Some(config.schedule)
            }
            _ => None,
        };
        // Beside literal betas the two ends have no effect: those of the list, so that a loaded file is written as it was.
        let ends = match named {
            Some(_) => (config.beta_start, config.beta_end),
            None => (None, None),
        };
        let literal = config.betas.as_ref().filter(|_| !config.zero_terminal_snr).unwrap_or(&betas);
        let (clip, dynamic) = match self.threshold() {
            Threshold::None => (None, None),
            Threshold::Clip { range } => (Some(range), None),
            Threshold::Dynamic { quantile, cap } => (None, Some((quantile, cap))),
        };
        let (quantile, cap) = dynamic.unwrap_or((0.995, 1.0));
        json!({
            "num_train_timesteps": betas.len(),
            "beta_start": ends.0.unwrap_or(betas[0]),
            "beta_end": ends.1.unwrap_or(betas[betas.len() - 1]),
            "beta_schedule": word(&SCHEDULES, named.unwrap_or(ScheduleKind::Linear)),
            "trained_betas": named.is_none().then_some(literal),
            "rescale_betas_zero_snr": false,
            "prediction_type": word(&PREDICTIONS, kind),
            "timestep_spacing": word(&SPACINGS, self.spacing()),
            "steps_offset": 0,
            "variance_type": word(&VARIANCES, self.variance()),
            "clip_sample": clip.is_some(),
            "clip_sample_range": clip.unwrap_or(1.0),
            "thresholding": dynamic.is_some(),
            "dynamic_thresholding_ratio": quantile,
            "sample_max_value": cap,
            "_class_name": DDPM_CLASS,
            "_diffusers_version": DIFFUSERS_VERSION,
        })
    }
}

/// diffusers' word for a value.
fn word<T: PartialEq + Copy>(words: &[(&'static str, T)], value: T) -> Option<&'static str> {
    words.iter().find(|(_, meaning)| *meaning == value).map(|(word, _)| *word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;

    fn karras() -> ScheduleConfig {
        ScheduleConfig { sigma_max: Some(50.0), ..ScheduleConfig::new(ScheduleKind::Karras) }
    }

    fn new(schedule: &ScheduleConfig, of: impl Into<Parameterization>) -> Result<Scheduler, NetsError> {
        let sampling = SamplingDefaults {
            spacing: Grid::Trailing,
            variance: Variance::FixedSmall,
            threshold: Threshold::None,
        };
        Scheduler::new(schedule.clone(), of.into(), sampling)
    }

    #[test]
    fn every_parameterization_survives_its_file() {
        let edm = Parameterization::Edm(Preconditioning { sigma_data: 0.4 });
        let all = [PredictionKind::Epsilon, PredictionKind::X0, PredictionKind::V, PredictionKind::Score];
        let plain = all.map(|kind| (ScheduleConfig::default(), Parameterization::from(kind)));
        for (schedule, parameterization) in plain.into_iter().chain([(karras(), edm)]) {
            let config = new(&schedule, parameterization).unwrap();
            let back = Scheduler::from_json(&config.to_json()).unwrap();
            assert_eq!(back.to_json(), config.to_json());
            assert_eq!(back.parameterization(), parameterization);
            let (got, expected) = (back.schedule(), schedule.build().unwrap());
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
        assert_eq!(
            text(&karras(), PredictionKind::X0.into()),
            "diffusion.condition: must be \"log-snr\" or \"sigma\": \"karras\" has no timesteps that a network could be told"
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
        assert!(Scheduler::from_json(&exponential).unwrap_err().contains("sigma_schedule"));
    }

    fn read(value: &Value) -> Result<Scheduler, String> {
        Scheduler::from_json(value)
    }

    #[test]
    fn classes_of_our_own_and_unknown_ones_are_refused_by_name() {
        for class in ["NoisingProcesses", "DDPMSchedulers", ""] {
            let error = read(&json!({"_class_name": class, "num_train_timesteps": 1000})).unwrap_err();
            let names = error.contains(class) && error.contains("expected one of DDPMScheduler, ");
            assert!(names && !error.contains('\n'), "{error}");
        }
        assert!(read(&json!({"beta_start": 1e-4})).unwrap_err().starts_with("_class_name: expected"));
    }

    #[test]
    fn keys_are_checked_by_name_and_null_stands_for_an_absent_key() {
        let with = |class: &str, key: &str, value: Value| {
            let mut keys = Map::from_iter([("_class_name".to_string(), json!(class))]);
            keys.insert(key.into(), value);
            read(&Value::Object(keys))
        };
        let ddpm = read(&json!({"_class_name": "DDPMScheduler"})).unwrap();
        for key in ["num_train_timesteps", "beta_start", "trained_betas", "prediction_type", "steps_offset"] {
            assert_eq!(with("DDPMScheduler", key, Value::Null).unwrap(), ddpm, "{key}");
        }
        assert_eq!(with("DDPMScheduler", "clip_sample", Value::Null).unwrap().threshold(), Threshold::None);
        assert!(with("DPMSolverMultistepScheduler", "lambda_min_clipped", json!("-inf")).is_ok());
        assert!(with("EulerDiscreteScheduler", "steps_offset", json!(1)).is_ok(), "linspace has no offset");
        for (class, key, value) in [
            ("DDPMScheduler", "num_train_timesteps", json!(1_000_000_000)),
            ("DDPMScheduler", "num_train_timesteps", json!(-1)),
            ("DDPMScheduler", "beta_start", json!("inf")),
            ("DDPMScheduler", "beta_schedule", json!("laplace")),
            ("DDPMScheduler", "prediction_type", json!("flow_prediction")),
            ("DDPMScheduler", "variance_type", json!("learned")),
            ("DDPMScheduler", "timestep_spacing", json!("karras")),
            ("DDPMScheduler", "steps_offset", json!(1)),
            ("DDPMScheduler", "trained_betas", json!([0.1, 0.2])),
            ("DDPMScheduler", "clip_sample", json!(1)),
            ("DDIMScheduler", "set_alpha_to_one", json!(false)),
            ("UniPCMultistepScheduler", "use_flow_sigmas", json!(true)),
            ("EulerDiscreteScheduler", "timestep_type", json!("continuous")),
            ("EDMEulerScheduler", "num_train_timesteps", json!(1_000_000_000)),
        ] {
            let error = with(class, key, value).unwrap_err();
            assert!(error.contains(key) && error.contains("expected"), "{error}");
        }
    }
}
