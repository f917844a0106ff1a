//! The multilayer perceptron's configuration.

use crate::NetsError;
use serde::{Deserialize, Serialize};

/// The quantity that the network's output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MlpOutput {
    /// The score itself: d numbers.
    #[default]
    Score,
    /// An energy E, one number; the score is -grad E, so that it is a gradient field by construction.
    Energy,
}

/// A noise-conditional perceptron on vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlpConfig {
    /// Components d of a datum.
    pub dim: i64,
    /// Width of the hidden layers.
    #[serde(default = "width")]
    pub width: i64,
    /// Number of hidden layers.
    #[serde(default = "depth")]
    pub depth: i64,
    /// Features of the noise level, cosines and sines: even.
    #[serde(default = "level_features")]
    pub level_features: i64,
    /// Standard deviation of a component of the data: fixes the scale of the inputs and of the score.
    #[serde(default = "data_std")]
    pub data_std: f64,
    /// The quantity that the output is.
    #[serde(default)]
    pub output: MlpOutput,
}

fn width() -> i64 {
    128
}
fn depth() -> i64 {
    3
}
fn level_features() -> i64 {
    8
}
fn data_std() -> f64 {
    1.0
}

/// Weights of the largest network that is accepted: 40 GB in f32.
const MOST_WEIGHTS: f64 = 1e10;

impl MlpConfig {
    /// The default network for vectors of `dim` components.
    pub fn new(dim: i64) -> Self {
        MlpConfig {
            dim,
            width: width(),
            depth: depth(),
            level_features: level_features(),
            data_std: data_std(),
            output: MlpOutput::default(),
        }
    }

    /// Checks that a network of this configuration exists. The text names the key at fault and a value that would do.
    pub fn validate(&self) -> Result<(), NetsError> {
        let wrong = |key: &str, reason: String| Err(NetsError::model(key, reason));
        for (key, value) in [("dim", self.dim), ("width", self.width), ("depth", self.depth)] {
            if value < 1 {
                return wrong(key, format!("must be at least 1, got {value}"));
            }
        }
        let (inputs, width) = (self.dim as f64 + self.level_features as f64, self.width as f64);
        let weights = width * (inputs + width * self.depth as f64);
        if weights > MOST_WEIGHTS {
            return wrong(
                "width",
                format!("asks for {weights:.1e} weights, expected at most {MOST_WEIGHTS:.0e}"),
            );
        }
        if self.level_features < 2 || self.level_features % 2 != 0 {
            return wrong(
                "level_features",
                format!("must be even and at least 2, got {}", self.level_features),
            );
        }
        if self.data_std <= 0.0 || !self.data_std.is_finite() {
            return wrong("data_std", format!("must be positive, got {}", self.data_std));
        }
        Ok(())
    }
}
