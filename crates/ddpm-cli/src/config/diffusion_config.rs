//! `[diffusion]` of a run on images: the noising process, and what the network predicts.

use anyhow::{Result, ensure};
use ddpm_core::{
    Grid, NoiseCondition, Noising, NoisingConfig, Parameterization, Preconditioning, PredictionKind,
    ProcessConfig, Scale, ScheduleConfig, Variance,
};
use ddpm_nets::Threshold;
use ddpm_nets::checkpoint::{SamplingDefaults, Scheduler};
use serde::{Deserialize, Serialize};

/// What a network predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Prediction {
    /// The noise.
    Epsilon,
    /// The clean data.
    X0,
    /// The velocity alpha eps - sigma x_0.
    V,
    /// The score of the noised law.
    Score,
    /// EDM's F, the network between scaled input and output; with the schedule `karras`.
    Edm,
}

/// `[diffusion]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Sections", into = "Sections")]
pub(crate) struct DiffusionConfig {
    /// What the network predicts.
    pub(crate) prediction: Prediction,
    /// Standard deviation of the data, for prediction `edm`; 0.5 unless given.
    pub(crate) sigma_data: Option<f64>,
    /// How the network is told the noise level; by timesteps where there are any, by the log-SNR otherwise.
    pub(crate) condition: Option<NoiseCondition>,
    /// Variance of an ancestral step. With `learned-range` and `learned` the network has twice the output channels.
    pub(crate) variance: Variance,
    /// Clip the predicted x_0 to [-1, 1] while sampling.
    pub(crate) clip_sample: bool,
    /// The noising process.
    pub(crate) noising: NoisingConfig,
}

/// The keys of the section, of which `schedule` and `process` exclude each other.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sections {
    prediction: Prediction,
    #[serde(skip_serializing_if = "Option::is_none")]
    sigma_data: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<NoiseCondition>,
    variance: Variance,
    clip_sample: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<ScheduleConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<ProcessConfig>,
}

impl Default for Sections {
    /// Ho et al. 2020's.
    fn default() -> Self {
        Sections {
            prediction: Prediction::Epsilon,
            sigma_data: None,
            condition: None,
            variance: Variance::FixedLarge,
            clip_sample: true,
            schedule: None,
            process: None,
        }
    }
}

impl TryFrom<Sections> for DiffusionConfig {
    type Error = &'static str;

    fn try_from(sections: Sections) -> Result<Self, Self::Error> {
        let noising = match (sections.schedule, sections.process) {
            (Some(_), Some(_)) => {
                return Err(
                    "diffusion: expected either schedule or process, got both; leave one of them out",
                );
            }
            (schedule, None) => NoisingConfig::Schedule(schedule.unwrap_or_default()),
            (None, Some(process)) => NoisingConfig::Process(process),
        };
        let Sections { prediction, sigma_data, condition, variance, clip_sample, .. } = sections;
        Ok(DiffusionConfig { prediction, sigma_data, condition, variance, clip_sample, noising })
    }
}

impl From<DiffusionConfig> for Sections {
    fn from(config: DiffusionConfig) -> Self {
        let (schedule, process) = config.noising.clone().into_parts();
        let DiffusionConfig { prediction, sigma_data, condition, variance, clip_sample, .. } = config;
        Sections { prediction, sigma_data, condition, variance, clip_sample, schedule, process }
    }
}

impl Default for DiffusionConfig {
    fn default() -> Self {
        let Sections { prediction, sigma_data, condition, variance, clip_sample, .. } = Sections::default();
        let noising = NoisingConfig::Schedule(ScheduleConfig::default());
        DiffusionConfig { prediction, sigma_data, condition, variance, clip_sample, noising }
    }
}

impl DiffusionConfig {
    /// The part of a checkpoint that stands for this section.
    pub(crate) fn scheduler(&self) -> Result<Scheduler> {
        let sampling = SamplingDefaults {
            spacing: Grid::Trailing,
            variance: self.variance,
            threshold: if self.clip_sample { Threshold::UNIT } else { Threshold::None },
        };
        Ok(Scheduler::new(self.noising.clone(), self.parameterization()?, sampling)?)
    }

    fn parameterization(&self) -> Result<Parameterization> {
        let default = Preconditioning::default();
        ensure!(
            self.sigma_data.is_none() || self.prediction == Prediction::Edm,
            "diffusion.sigma_data belongs to prediction \"edm\""
        );
        ensure!(
            self.condition.is_none() || self.prediction != Prediction::Edm,
            "diffusion.condition has no effect with prediction \"edm\", whose network is told log(sigma)/4"
        );
        let kind = match self.prediction {
            Prediction::Epsilon => PredictionKind::Epsilon,
            Prediction::X0 => PredictionKind::X0,
            Prediction::V => PredictionKind::V,
            Prediction::Score => PredictionKind::Score,
            Prediction::Edm => {
                let sigma_data = self.sigma_data.unwrap_or(default.sigma_data);
                return Ok(Parameterization::Edm(Preconditioning { sigma_data }));
            }
        };
        let condition = match self.condition {
            Some(condition) => condition,
            None => self.default_condition()?,
        };
        Ok(Parameterization::Plain { kind, condition })
    }

    /// Timesteps where there are any, the log-SNR otherwise.
    fn default_condition(&self) -> Result<NoiseCondition> {
        Ok(match self.noising.build()? {
            Noising::Discrete(schedule) if schedule.scale() == Scale::VariancePreserving => {
                NoiseCondition::Timestep
            }
            Noising::Discrete(_) | Noising::Continuous { .. } => NoiseCondition::LogSnr,
        })
    }
}
