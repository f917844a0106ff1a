//! The `[objective]` section: the score-matching loss and its options.

use crate::TrainError;
use ddpm_core::Level;
use serde::{Deserialize, Serialize};

/// A score-matching objective with its options.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ScoreObjective {
    /// L_simple of Ho et al. 2020: denoising, in units of the noise.
    Simple {},
    /// Explicit score matching, against the known score of a closed-form target.
    Explicit {
        /// Weight of a level.
        #[serde(default = "marginal")]
        weight: LevelWeight,
    },
    /// Implicit score matching (Hyvarinen 2005).
    Implicit {
        /// Weight of a level.
        #[serde(default = "marginal")]
        weight: LevelWeight,
        /// The computation of the divergence; exact up to 16 components unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        divergence: Option<DivergenceKind>,
    },
    /// Sliced score matching (Song et al. 2019).
    Sliced {
        /// Weight of a level.
        #[serde(default = "marginal")]
        weight: LevelWeight,
        /// Random projections of each sample.
        #[serde(default = "one")]
        projections: usize,
    },
    /// Denoising score matching (Vincent 2011).
    Denoising {
        /// Weight of a level.
        #[serde(default)]
        weight: LevelWeight,
    },
}

/// lambda, the weight of a level's loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LevelWeight {
    /// sigma^2: the denoising target then has unit variance at every level (Song & Ermon 2019, sec. 4.2; Song et al. 2021, eq. 7).
    #[default]
    NoiseVariance,
    /// alpha^2 + sigma^2: the score of unit-variance data then has unit size at every level. For objectives whose target is the score
    /// itself, whose errors at little noise sigma^2 would hardly count.
    MarginalVariance,
}

/// The computation of the divergence in implicit score matching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DivergenceKind {
    /// One derivative for each component.
    Exact,
    /// Hutchinson's estimator with one probe of random signs.
    Hutchinson,
}

/// Components up to which the exact divergence is the default.
const EXACT_UP_TO: usize = 16;
/// Projections that still fit a training step.
const MOST_PROJECTIONS: usize = 1024;

fn marginal() -> LevelWeight {
    LevelWeight::MarginalVariance
}

fn one() -> usize {
    1
}

impl LevelWeight {
    /// lambda at a level.
    pub fn at(self, level: &Level) -> f64 {
        match self {
            LevelWeight::NoiseVariance => level.sigma() * level.sigma(),
            LevelWeight::MarginalVariance => level.prior_std() * level.prior_std(),
        }
    }
}

impl DivergenceKind {
    /// The default for data of `components` numbers.
    pub fn for_components(components: usize) -> Self {
        if components <= EXACT_UP_TO { DivergenceKind::Exact } else { DivergenceKind::Hutchinson }
    }
}

impl ScoreObjective {
    /// Checks the options; the text names the key.
    pub fn validate(&self) -> Result<(), TrainError> {
        match self {
            ScoreObjective::Sliced { projections, .. } if !(1..=MOST_PROJECTIONS).contains(projections) => {
                let reason = format!("must lie between 1 and {MOST_PROJECTIONS}, got {projections}");
                Err(TrainError::key("objective.projections", reason))
            }
            _ => Ok(()),
        }
    }

    /// lambda(level) over the number of components, so that the size of the loss depends on neither; 1 for L_simple, a mean already.
    pub(super) fn row_weight(&self, level: &Level, components: usize) -> f64 {
        match self {
            ScoreObjective::Simple {} => 1.0,
            ScoreObjective::Explicit { weight }
            | ScoreObjective::Implicit { weight, .. }
            | ScoreObjective::Sliced { weight, .. }
            | ScoreObjective::Denoising { weight } => weight.at(level) / components as f64,
        }
    }

    /// Whether the noise itself is the target, which data without noise do not have.
    pub(super) fn needs_noise(&self) -> bool {
        matches!(self, ScoreObjective::Simple {} | ScoreObjective::Denoising { .. })
    }
}
