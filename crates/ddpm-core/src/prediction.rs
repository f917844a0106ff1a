//! The quantities that a denoiser may predict (epsilon, x0, v, score), and the linear maps between them.
//!
//! With x_t = alpha x_0 + sigma eps every prediction is a linear function of (x_t, x_0):
//!
//! | kind | definition | x_0 recovered as |
//! |---|---|---|
//! | epsilon | eps | (x_t - sigma eps) / alpha |
//! | x0 | x_0 | x_0 |
//! | v | alpha eps - sigma x_0 (Salimans & Ho 2022, sec. 4) | (alpha x_t - sigma v) / (alpha^2 + sigma^2) |
//! | score | -eps / sigma | (x_t + sigma^2 score) / alpha |

use crate::{CoreError, Level};
use serde::{Deserialize, Serialize};

/// The quantity that a denoiser returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PredictionKind {
    /// The noise eps.
    Epsilon,
    /// The clean data x_0.
    X0,
    /// The velocity v = alpha eps - sigma x_0.
    V,
    /// The score of the noised law, -eps / sigma.
    Score,
}

/// Coefficients of `output = of_x_t * x_t + of_input * input`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearMap {
    /// Weight of the noised state x_t.
    pub of_x_t: f64,
    /// Weight of the value being converted.
    pub of_input: f64,
}

impl LinearMap {
    /// The map that applies `next` to this map's output.
    pub fn then(&self, next: &LinearMap) -> LinearMap {
        LinearMap {
            of_x_t: next.of_x_t + next.of_input * self.of_x_t,
            of_input: next.of_input * self.of_input,
        }
    }

    /// Applies the map to one component.
    pub fn apply(&self, x_t: f64, input: f64) -> f64 {
        self.of_x_t * x_t + self.of_input * input
    }
}

impl PredictionKind {
    /// The map from this prediction to x_0 at `level`.
    ///
    /// Fails where the prediction does not determine x_0: epsilon and score at a level with no signal left (alpha = 0).
    pub fn to_x0(self, level: &Level) -> Result<LinearMap, CoreError> {
        let (alpha, sigma) = (level.alpha(), level.sigma());
        let no_signal = || CoreError::OutOfRange {
            name: "alpha",
            expected: "positive for x_0 to follow from an epsilon or score prediction (predict v or x0 instead)",
            got: alpha,
        };
        Ok(match self {
            PredictionKind::X0 => LinearMap { of_x_t: 0.0, of_input: 1.0 },
            PredictionKind::V => {
                let norm = alpha * alpha + sigma * sigma;
                LinearMap { of_x_t: alpha / norm, of_input: -sigma / norm }
            }
            _ if alpha <= 0.0 => return Err(no_signal()),
            PredictionKind::Epsilon => LinearMap { of_x_t: 1.0 / alpha, of_input: -sigma / alpha },
            PredictionKind::Score => LinearMap { of_x_t: 1.0 / alpha, of_input: sigma * sigma / alpha },
        })
    }

    /// The map from this prediction to another at `level`, through x_0.
    pub fn convert(self, to: PredictionKind, level: &Level) -> Result<LinearMap, CoreError> {
        if self == to {
            return Ok(LinearMap { of_x_t: 0.0, of_input: 1.0 });
        }
        Ok(self.to_x0(level)?.then(&to.from_x0(level)?))
    }

    /// The map from x_0 to this prediction at `level`.
    ///
    /// Fails at a level without noise for epsilon, score and v, which need (x_t - alpha x_0) / sigma.
    pub fn from_x0(self, level: &Level) -> Result<LinearMap, CoreError> {
        let (alpha, sigma) = (level.alpha(), level.sigma());
        if self == PredictionKind::X0 {
            return Ok(LinearMap { of_x_t: 0.0, of_input: 1.0 });
        }
        if sigma <= 0.0 {
            return Err(CoreError::OutOfRange {
                name: "sigma",
                expected: "positive for epsilon, v and score to be defined",
                got: sigma,
            });
        }
        Ok(match self {
            PredictionKind::X0 => LinearMap { of_x_t: 0.0, of_input: 1.0 },
            PredictionKind::Epsilon => LinearMap { of_x_t: 1.0 / sigma, of_input: -alpha / sigma },
            PredictionKind::V => {
                LinearMap { of_x_t: alpha / sigma, of_input: -(alpha * alpha + sigma * sigma) / sigma }
            }
            PredictionKind::Score => {
                LinearMap { of_x_t: -1.0 / (sigma * sigma), of_input: alpha / (sigma * sigma) }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Time;
    use proptest::prelude::*;

    const KINDS: [PredictionKind; 4] =
        [PredictionKind::Epsilon, PredictionKind::X0, PredictionKind::V, PredictionKind::Score];

    proptest! {
        #[test]
        fn every_kind_equals_its_definition_and_converts_back(x0 in -3.0..3.0f64, eps in -3.0..3.0f64, log_snr in -9.0..9.0f64) {
            for level in [Level::variance_preserving(log_snr, Time::Clean), Level::variance_exploding(log_snr, Time::Clean)] {
                let (alpha, sigma) = (level.alpha(), level.sigma());
                let x_t = alpha * x0 + sigma * eps;
                for kind in KINDS {
                    let defined = match kind {
                        PredictionKind::Epsilon => eps,
                        PredictionKind::X0 => x0,
                        PredictionKind::V => alpha * eps - sigma * x0,
                        PredictionKind::Score => -eps / sigma,
                    };
                    let scale = 1.0 + defined.abs() + 1.0 / (sigma * sigma);
                    prop_assert!((kind.from_x0(&level).unwrap().apply(x_t, x0) - defined).abs() < 1e-12 * scale);
                    let back = kind.to_x0(&level).unwrap().apply(x_t, defined);
                    prop_assert!((back - x0).abs() < 1e-12 * (1.0 + 1.0 / alpha));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn conversions_are_circular(x_t in -2.0..2.0f64, value in -2.0..2.0f64, log_snr in -4.0..4.0f64) {
            let level = Level::variance_preserving(log_snr, Time::Clean);
            for a in KINDS {
                for b in KINDS {
                    let there = a.convert(b, &level).unwrap();
                    let back = b.convert(a, &level).unwrap();
                    let round = there.then(&back).apply(x_t, value);
                    prop_assert!((round - value).abs() < 1e-12 * (1.0 + there.apply(x_t, value).abs()), "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn no_signal_leaves_epsilon_undetermined_but_not_v() {
        let pure_noise = Level::variance_preserving(f64::NEG_INFINITY, Time::Clean);
        assert!(PredictionKind::Epsilon.to_x0(&pure_noise).is_err());
        assert_eq!(PredictionKind::V.to_x0(&pure_noise).unwrap(), LinearMap { of_x_t: 0.0, of_input: -1.0 });
    }
}
