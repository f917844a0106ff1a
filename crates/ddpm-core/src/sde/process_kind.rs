//! The names of the continuous processes, with the parameters of the literature.

use super::process::Process;
use crate::CoreError;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// A kind of continuous process; its name in files and on the command line is written in kebab case.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "kebab-case", try_from = "String")]
#[strum(serialize_all = "kebab-case", parse_err_ty = CoreError, parse_err_fn = unknown)]
pub enum ProcessKind {
    /// Variance preserving, beta from 0.1 to 20 (Song et al. 2021).
    Vp,
    /// Sub-variance preserving, beta from 0.1 to 20 (Song et al. 2021).
    SubVp,
    /// Variance exploding, sigma from 0.01 to 50 (Song et al. 2021).
    Ve,
    /// Ornstein-Uhlenbeck up to time 10.05, where alpha is that of `vp`.
    Ou,
    /// sigma = t up to 80 (Karras et al. 2022).
    Edm,
}

impl ProcessKind {
    /// All kinds, in the order in which help texts list them.
    pub const ALL: &[ProcessKind] = ProcessKind::VARIANTS;

    /// The process with its default parameters.
    pub fn process(self) -> Process {
        match self {
            ProcessKind::Vp => Process::VP,
            ProcessKind::SubVp => Process::SubVariancePreserving { beta_min: 0.1, beta_max: 20.0 },
            ProcessKind::Ve => Process::VarianceExploding { sigma_min: 0.01, sigma_max: 50.0 },
            ProcessKind::Ou => Process::OrnsteinUhlenbeck { horizon: 10.05 },
            ProcessKind::Edm => Process::Edm { sigma_max: 80.0 },
        }
    }
}

impl TryFrom<String> for ProcessKind {
    type Error = CoreError;

    fn try_from(word: String) -> Result<Self, CoreError> {
        word.parse()
    }
}

fn unknown(word: &str) -> CoreError {
    CoreError::unknown_name::<ProcessKind>("process", word)
}
