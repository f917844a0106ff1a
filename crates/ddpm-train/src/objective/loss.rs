//! The `[train.loss]` section: the training loss.

use crate::TrainError;
use crate::score_matching::{DivergenceKind, LevelWeight, ScoreObjective};
use ddpm_core::{Preconditioning, Variance, Weight};
use serde::{Deserialize, Serialize};
use strum::VariantNames;

/// A loss. The first group are squared errors of x_0 with a weight that depends on the noise level ([`Weight`]); the second
/// group works on the variational bound and can train a learned variance; the third needs no noise as a target.
///
/// Denoising score matching with the weights sigma^2 (Song & Ermon 2019, eq. 5-6; Song et al. 2021, eq. 7) is `simple`: sigma^2 |s + eps/sigma|^2 is
/// the squared error of eps, whatever the network predicts.
///
/// Variants without settings have braces so that serde refuses the settings of others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, VariantNames)]
#[strum(serialize_all = "kebab-case")]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LossConfig {
    /// L_simple: 1 on the error of eps (Ho et al. 2020, eq. 14).
    Simple {},
    /// 1 on the error of the network's output.
    Unweighted {},
    /// The signal-to-noise ratio on the error of x_0: the same number as `simple`.
    Snr {},
    /// max(snr, 1) on the error of x_0 (Salimans & Ho 2022).
    Truncated {},
    /// min(snr, gamma) on the error of x_0 (Hang et al. 2023).
    MinSnr {
        /// The cap.
        #[serde(default = "five")]
        gamma: f64,
    },
    /// 1/(k + snr)^gamma on the error of eps (Choi et al. 2022).
    P2 {
        /// Offset.
        #[serde(default = "one")]
        k: f64,
        /// Exponent; 0 is `simple`.
        #[serde(default = "one")]
        gamma: f64,
    },
    /// 1 on the error of EDM's F (Karras et al. 2022).
    Edm {
        /// Standard deviation of the data; must be the prediction's where that is `edm`.
        #[serde(default = "half")]
        sigma_data: f64,
    },
    /// The variational bound's weight of the error of x_0, for a fixed variance (Ho et al. 2020, eq. 12).
    WeightedVlb {
        /// The variance of the reverse steps.
        #[serde(default = "fixed_small")]
        variance: Variance,
    },
    /// The variational bound itself: T times the term of a level, in bits a dimension. Its mean over uniform levels is the bound without L_T,
    /// which does not depend on the network.
    Vlb {},
    /// L_simple on the prediction, and the bound on the learned variance alone (Nichol & Dhariwal 2021, eq. 16).
    Hybrid {
        /// lambda, the factor of T times a term of the bound in bits a dimension.
        #[serde(default = "thousandth")]
        lambda: f64,
    },
    /// -log p(x_{t-1} | x_t) of a drawn x_{t-1}, in nats a component: Gaussian regression of mean and variance at once.
    Gaussian {},
    /// lambda (|s|^2/2 + div s)/d of the score s at x_t: implicit score matching (Hyvarinen 2005, theorem 1).
    Implicit {
        /// lambda.
        #[serde(default = "marginal")]
        weight: LevelWeight,
        /// The computation of the divergence; exact up to 16 components unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        divergence: Option<DivergenceKind>,
    },
    /// lambda ((v . s)^2/2 + v . (grad s) v)/d, v random: sliced score matching (Song et al. 2019, eq. 8).
    Sliced {
        /// lambda.
        #[serde(default = "marginal")]
        weight: LevelWeight,
        /// Random projections of each image.
        #[serde(default = "one_projection")]
        projections: usize,
    },
}

fn marginal() -> LevelWeight {
    LevelWeight::MarginalVariance
}
fn one_projection() -> usize {
    1
}

fn five() -> f64 {
    5.0
}
fn one() -> f64 {
    1.0
}
fn half() -> f64 {
    0.5
}
fn thousandth() -> f64 {
    1e-3
}
fn fixed_small() -> Variance {
    Variance::FixedSmall
}

impl Default for LossConfig {
    fn default() -> Self {
        LossConfig::Simple {}
    }
}

impl LossConfig {
    /// The name of every kind, the default first.
    pub const KINDS: &[&str] = <Self as VariantNames>::VARIANTS;

    /// The weight of its squared error, if it has one.
    pub fn weight(&self) -> Option<Weight> {
        Some(match *self {
            LossConfig::Simple {} | LossConfig::Hybrid { .. } => Weight::Simple,
            LossConfig::Unweighted {} => Weight::Unweighted,
            LossConfig::Snr {} => Weight::Snr,
            LossConfig::Truncated {} => Weight::Truncated,
            LossConfig::MinSnr { gamma } => Weight::MinSnr { gamma },
            LossConfig::P2 { k, gamma } => Weight::P2 { k, gamma },
            LossConfig::Edm { sigma_data } => Weight::Edm(Preconditioning { sigma_data }),
            LossConfig::WeightedVlb { variance } => Weight::Vlb { variance },
            LossConfig::Vlb {}
            | LossConfig::Gaussian {}
            | LossConfig::Implicit { .. }
            | LossConfig::Sliced { .. } => return None,
        })
    }

    /// The name in a file.
    pub fn name(&self) -> &'static str {
        match self {
            LossConfig::Simple {} => "simple",
            LossConfig::Unweighted {} => "unweighted",
            LossConfig::Snr {} => "snr",
            LossConfig::Truncated {} => "truncated",
            LossConfig::MinSnr { .. } => "min-snr",
            LossConfig::P2 { .. } => "p2",
            LossConfig::Edm { .. } => "edm",
            LossConfig::WeightedVlb { .. } => "weighted-vlb",
            LossConfig::Vlb {} => "vlb",
            LossConfig::Hybrid { .. } => "hybrid",
            LossConfig::Gaussian {} => "gaussian",
            LossConfig::Implicit { .. } => "implicit",
            LossConfig::Sliced { .. } => "sliced",
        }
    }

    /// The objective of score matching that it is, where that differentiates the score.
    pub fn score_objective(&self) -> Option<ScoreObjective> {
        match *self {
            LossConfig::Implicit { weight, divergence } => {
                Some(ScoreObjective::Implicit { weight, divergence })
            }
            LossConfig::Sliced { weight, projections } => {
                Some(ScoreObjective::Sliced { weight, projections })
            }
            _ => None,
        }
    }

    /// Checks the settings of the third group; the text names the key.
    pub(super) fn validate(&self) -> Result<(), TrainError> {
        self.score_objective().map_or(Ok(()), |score| score.validate("train.loss.projections"))
    }

    /// Whether it contains terms of the bound.
    pub fn has_bound(&self) -> bool {
        matches!(self, LossConfig::Vlb {} | LossConfig::Hybrid { .. } | LossConfig::Gaussian {})
    }
}
