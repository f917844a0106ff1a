//! Network parameterizations: the scale of a network's input, its noise condition, and the meaning of its output.

use crate::{CoreError, Level, LinearMap, Preconditioning, PredictionKind, Time};
use serde::{Deserialize, Serialize};
use std::f64::consts::FRAC_PI_2;

/// The number that tells a network the noise level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseCondition {
    /// The level's own time coordinate: the 0-based timestep of a schedule (Ho et al. 2020).
    #[default]
    Timestep,
    /// 1000 (2/pi) arctan(sigma/alpha), a function of the log-SNR that rises from 0 at data to 1000 at pure noise: the `inv_cos` condition
    /// of Salimans & Ho's (2022) code, in the range of timesteps. It does not depend on how a process counts its time.
    LogSnr,
    /// sigma/alpha, of which networks with Gaussian Fourier features take the logarithm (Song et al. 2021).
    Sigma,
}

/// A network's input and output: how x_t is scaled, how the noise level is given, what the output is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Parameterization {
    /// The network takes x_t as it is.
    Plain {
        /// What it predicts.
        kind: PredictionKind,
        /// How it is told the noise level.
        condition: NoiseCondition,
    },
    /// The network takes the scaled x_t and c_noise, and predicts EDM's F.
    Edm(Preconditioning),
}

impl From<PredictionKind> for Parameterization {
    fn from(kind: PredictionKind) -> Self {
        Parameterization::Plain { kind, condition: NoiseCondition::Timestep }
    }
}

impl Parameterization {
    /// The factor of x_t at the network's input.
    pub fn input_scale(&self, level: &Level) -> f64 {
        match self {
            Parameterization::Plain { .. } => 1.0,
            Parameterization::Edm(edm) => edm.input_scale(level),
        }
    }

    /// The noise condition of the network: its time coordinate, or EDM's c_noise. Fails at a level without noise.
    pub fn condition(&self, level: &Level) -> Result<f64, CoreError> {
        match (self, level.time()) {
            (_, Time::Clean) => Err(CoreError::OutOfRange {
                name: "sigma",
                expected: "positive: no network is evaluated on data without noise",
                got: 0.0,
            }),
            (Parameterization::Edm(edm), _) => Ok(edm.noise_condition(level)),
            (Parameterization::Plain { condition: NoiseCondition::LogSnr, .. }, _) => {
                Ok(1000.0 * level.relative_sigma().atan() / FRAC_PI_2)
            }
            (Parameterization::Plain { condition: NoiseCondition::Sigma, .. }, _) => {
                Ok(level.relative_sigma())
            }
            (_, Time::Index(t)) => Ok(f64::from(t.0)),
            (_, Time::FractionalIndex(t) | Time::Continuous(t) | Time::Sigma(t)) => Ok(t),
        }
    }

    /// The map from the network's output to x_0: [`PredictionKind::to_x0`] or [`Preconditioning::to_x0`].
    pub fn to_x0(&self, level: &Level) -> Result<LinearMap, CoreError> {
        match self {
            Parameterization::Plain { kind, .. } => kind.to_x0(level),
            Parameterization::Edm(edm) => Ok(edm.to_x0(level)),
        }
    }

    /// The map from x_0 to the network's regression target.
    pub fn from_x0(&self, level: &Level) -> Result<LinearMap, CoreError> {
        match self {
            Parameterization::Plain { kind, .. } => kind.from_x0(level),
            Parameterization::Edm(edm) => edm.from_x0(level),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_condition_of_a_level_does_not_depend_on_how_its_process_counts_time() {
        let of = |condition| Parameterization::Plain { kind: PredictionKind::Epsilon, condition };
        let (log_snr, sigma) = (-2.0 * 0.5f64.ln(), 0.5);
        let exploding = Level::variance_exploding(log_snr, Time::Sigma(sigma));
        let preserving = Level::variance_preserving(log_snr, Time::Continuous(0.3));
        for (condition, expected) in
            [(NoiseCondition::Sigma, sigma), (NoiseCondition::LogSnr, 295.167_235_300_866_5)]
        {
            for level in [exploding, preserving] {
                assert!((of(condition).condition(&level).unwrap() / expected - 1.0).abs() < 1e-12);
            }
        }
        assert_eq!(of(NoiseCondition::Timestep).condition(&preserving).unwrap(), 0.3);
        let noise = Level::variance_preserving(f64::NEG_INFINITY, Time::Continuous(1.0));
        assert!((of(NoiseCondition::LogSnr).condition(&noise).unwrap() - 1000.0).abs() < 1e-9);
    }

    #[test]
    fn a_wrapped_network_is_shown_scaled_data_and_the_noise() {
        let level = Level::variance_exploding(-2.0 * 3f64.ln(), Time::Sigma(3.0));
        let edm = Parameterization::Edm(Preconditioning::default());
        assert!((edm.input_scale(&level) - 1.0 / 9.25f64.sqrt()).abs() < 1e-15);
        assert!((edm.condition(&level).unwrap() - 3f64.ln() / 4.0).abs() < 1e-15);
        let plain = Parameterization::from(PredictionKind::V);
        assert_eq!((plain.input_scale(&level), plain.condition(&level).unwrap()), (1.0, 3.0));
        assert_eq!(plain.to_x0(&level).unwrap(), PredictionKind::V.to_x0(&level).unwrap());
        assert!(plain.condition(&Level::CLEAN).is_err() && edm.condition(&Level::CLEAN).is_err());
    }
}
