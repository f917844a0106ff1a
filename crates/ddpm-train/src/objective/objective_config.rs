//! The configuration of an objective, and which of its parts go together.

use super::loss::LossConfig;
use super::times::TimesConfig;
use crate::TrainError;
use ddpm_core::{Noising, Parameterization, PredictionKind, Schedule, Variance};

/// The configuration of an objective.
#[derive(Clone, Debug)]
pub struct ObjectiveConfig {
    /// The noising process, with its training levels.
    pub noising: Noising,
    /// The scaling of the network's input and the quantity that it predicts.
    pub parameterization: Parameterization,
    /// Variance of the reverse steps, for terms of the bound.
    pub variance: Variance,
    /// The loss.
    pub loss: LossConfig,
    /// The distribution of the levels.
    pub times: TimesConfig,
    /// Grey levels of the data, evenly spaced in [-1, 1].
    pub grey_levels: u16,
    /// Images a step in all processes together.
    pub batch_size: usize,
    /// Seed of levels and noise.
    pub seed: u64,
}

impl ObjectiveConfig {
    /// L_simple over uniform levels (Ho et al. 2020).
    pub fn simple(schedule: Schedule, prediction: PredictionKind, batch_size: usize, seed: u64) -> Self {
        ObjectiveConfig {
            noising: Noising::Discrete(schedule),
            parameterization: prediction.into(),
            variance: Variance::FixedLarge,
            loss: LossConfig::Simple {},
            times: TimesConfig::Uniform {},
            grey_levels: 256,
            batch_size,
            seed,
        }
    }

    /// Checks that the parts belong together; the error names the key.
    pub(super) fn validate(&self) -> Result<(), TrainError> {
        let wrong = |key: &'static str, reason: String| Err(TrainError::key(key, reason));
        self.times.validate()?;
        self.loss.validate()?;
        let (loss, learned) = (self.loss.name(), self.variance.is_learned());
        match self.loss {
            LossConfig::Hybrid { .. } | LossConfig::Gaussian {} if !learned => {
                return wrong(
                    "train.loss.kind",
                    format!(
                        "{loss:?} trains a variance; set diffusion.variance = \"learned-range\" or \"learned\", or use \"vlb\""
                    ),
                );
            }
            LossConfig::Hybrid { lambda } if !(lambda > 0.0 && lambda.is_finite()) => {
                return wrong("train.loss.lambda", format!("must be positive, got {lambda}"));
            }
            _ if learned && !self.loss.has_bound() => {
                return wrong(
                    "train.loss.kind",
                    format!(
                        "{loss:?} leaves the learned variance untrained; use \"hybrid\", \"vlb\" or \"gaussian\""
                    ),
                );
            }
            LossConfig::Edm { sigma_data } => {
                if let Parameterization::Edm(edm) = self.parameterization
                    && edm.sigma_data != sigma_data
                {
                    return wrong(
                        "train.loss.sigma_data",
                        format!("must equal diffusion.sigma_data ({}), got {sigma_data}", edm.sigma_data),
                    );
                }
            }
            _ => {}
        }
        if self.noising.schedule().is_none() {
            if self.loss.has_bound() || matches!(self.loss, LossConfig::WeightedVlb { .. }) {
                let reason =
                    format!("{loss:?} needs the steps of a schedule; a process in continuous time has none");
                return wrong("train.loss.kind", reason);
            }
            if matches!(self.times, TimesConfig::Importance { .. }) {
                let reason = "\"importance\" keeps the losses of timesteps; a process in continuous time has none, use \"uniform\" or \"stratified\"";
                return wrong("train.times.sampler", reason.into());
            }
        }
        if matches!(self.times, TimesConfig::LogNormal { .. }) {
            if !matches!(self.parameterization, Parameterization::Edm(_)) {
                return wrong(
                    "train.times.sampler",
                    "\"log-normal\" draws noise levels that are no timesteps, which takes diffusion.prediction = \"edm\"; use \"uniform\", \"stratified\" or \"importance\"".into(),
                );
            }
            if self.loss.has_bound() || matches!(self.loss, LossConfig::WeightedVlb { .. }) {
                return wrong(
                    "train.times.sampler",
                    format!(
                        "\"log-normal\" draws noise levels that have no step of the bound; use \"uniform\" with the loss {loss:?}"
                    ),
                );
            }
        }
        Ok(())
    }
}
