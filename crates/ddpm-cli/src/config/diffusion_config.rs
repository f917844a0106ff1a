//! `[diffusion]` of a run on images: the noising schedule and what the network predicts.

use anyhow::{Result, ensure};
use ddpm_core::Grid;
use ddpm_core::ScheduleConfig;
use ddpm_core::{Parameterization, Preconditioning, PredictionKind, Variance};
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
#[serde(default, deny_unknown_fields)]
pub(crate) struct DiffusionConfig {
    /// What the network predicts.
    pub(crate) prediction: Prediction,
    /// Standard deviation of the data, for prediction `edm`; 0.5 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sigma_data: Option<f64>,
    /// Variance of an ancestral step. With `learned-range` the network has twice the output channels.
    pub(crate) variance: Variance,
    /// Clip the predicted x_0 to [-1, 1] while sampling.
    pub(crate) clip_sample: bool,
    /// The noising process.
    pub(crate) schedule: ScheduleConfig,
}

impl Default for DiffusionConfig {
    /// Ho et al. 2020's.
    fn default() -> Self {
        DiffusionConfig {
            prediction: Prediction::Epsilon,
            sigma_data: None,
            variance: Variance::FixedLarge,
            clip_sample: true,
            schedule: ScheduleConfig::default(),
        }
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
        Ok(Scheduler::new(&self.schedule, self.parameterization()?, sampling)?)
    }

    fn parameterization(&self) -> Result<Parameterization> {
        let default = Preconditioning::default();
        ensure!(
            self.sigma_data.is_none() || self.prediction == Prediction::Edm,
            "diffusion.sigma_data belongs to prediction \"edm\""
        );
        Ok(match self.prediction {
            Prediction::Epsilon => PredictionKind::Epsilon.into(),
            Prediction::X0 => PredictionKind::X0.into(),
            Prediction::V => PredictionKind::V.into(),
            Prediction::Score => PredictionKind::Score.into(),
            Prediction::Edm => Parameterization::Edm(Preconditioning {
                sigma_data: self.sigma_data.unwrap_or(default.sigma_data),
            }),
        })
    }
}
