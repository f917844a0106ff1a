//! The `[objective]` section: the score-matching loss and its options.

use super::field::Field;
use super::implicit::{Divergence, implicit};
use super::sliced::sliced;
use crate::TrainError;
use ddpm_core::Level;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use torch_ext::TorchError;

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
    /// Checks the options; `projections_key` is the key of the number of projections in the file.
    pub fn validate(&self, projections_key: &'static str) -> Result<(), TrainError> {
        match self {
            ScoreObjective::Sliced { projections, .. } if !(1..=MOST_PROJECTIONS).contains(projections) => {
                let reason = format!("must lie between 1 and {MOST_PROJECTIONS}, got {projections}");
                Err(TrainError::key(projections_key, reason))
            }
            _ => Ok(()),
        }
    }

    /// The random directions of a batch of data with this many components, by draws of standard normal numbers in its shape: those of sliced score
    /// matching, or the random signs of Hutchinson's estimator. None where nothing is random.
    pub(crate) fn directions(
        &self,
        components: usize,
        normal: &dyn Fn(u64) -> Result<Tensor, TorchError>,
    ) -> Result<Vec<Tensor>, TrainError> {
        match *self {
            ScoreObjective::Implicit { divergence, .. }
                if divergence.unwrap_or(DivergenceKind::for_components(components))
                    == DivergenceKind::Hutchinson =>
            {
                let normal = normal(0)?;
                Ok(vec![torch_ext::fence(|| normal.ge(0.0).to_kind(Kind::Float) * 2.0 - 1.0)?])
            }
            ScoreObjective::Sliced { projections, .. } => {
                Ok((0..projections as u64).map(normal).collect::<Result<_, _>>()?)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The losses `[n]` of rows x_t [n, ...] for the two objectives that differentiate the field, along the directions that
    /// [`ScoreObjective::directions`] drew: without one the divergence is exact.
    pub(crate) fn curvature_losses(
        &self,
        field: &Field<'_>,
        x_t: &Tensor,
        directions: &[Tensor],
    ) -> Result<Tensor, TrainError> {
        if let ScoreObjective::Sliced { .. } = self {
            let stacked = torch_ext::fence(|| Tensor::stack(directions, 0))?;
            return Ok(sliced(field, x_t, &stacked)?);
        }
        let divergence = directions.first().map_or(Divergence::Exact, Divergence::Hutchinson);
        Ok(implicit(field, x_t, divergence)?)
    }

    /// lambda(level) over the number of components, so that the size of the loss depends on neither; 1 for L_simple, a mean already.
    pub(crate) fn row_weight(&self, level: &Level, components: usize) -> f64 {
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
