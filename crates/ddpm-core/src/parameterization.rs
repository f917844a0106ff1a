//! Network parameterizations: the scale of a network's input, its noise condition, and the meaning of its output.

use crate::{CoreError, Level, LinearMap, Preconditioning, PredictionKind, Time};

/// A network's input and output: how x_t is scaled, how the noise level is given, what the output is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Parameterization {
    /// The network takes x_t and its time, and predicts this quantity.
    Plain(PredictionKind),
    /// The network takes the scaled x_t and c_noise, and predicts EDM's F.
    Edm(Preconditioning),
}

impl From<PredictionKind> for Parameterization {
    fn from(kind: PredictionKind) -> Self {
        Parameterization::Plain(kind)
    }
}

impl Parameterization {
    /// The factor of x_t at the network's input.
    pub fn input_scale(&self, level: &Level) -> f64 {
        match self {
            Parameterization::Plain(_) => 1.0,
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
            (_, Time::Index(t)) => Ok(f64::from(t.0)),
            (_, Time::FractionalIndex(t) | Time::Continuous(t) | Time::Sigma(t)) => Ok(t),
        }
    }

    /// The map from the network's output to x_0: [`PredictionKind::to_x0`] or [`Preconditioning::to_x0`].
    pub fn to_x0(&self, level: &Level) -> Result<LinearMap, CoreError> {
        match self {
            Parameterization::Plain(kind) => kind.to_x0(level),
            Parameterization::Edm(edm) => Ok(edm.to_x0(level)),
        }
    }

    /// The map from x_0 to the network's regression target.
    pub fn from_x0(&self, level: &Level) -> Result<LinearMap, CoreError> {
        match self {
            Parameterization::Plain(kind) => kind.from_x0(level),
            Parameterization::Edm(edm) => edm.from_x0(level),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
