//! Names of the networks in files, in reports and on the command line.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantArray};

/// A network of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantArray)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum NetworkName {
    /// Trained on the digits.
    DigitsNetwork,
    /// Trained on Fashion-MNIST.
    FashionNetwork,
}

impl NetworkName {
    /// The data set, as reports name it.
    pub(crate) fn data(self) -> &'static str {
        match self {
            NetworkName::DigitsNetwork => "digits",
            NetworkName::FashionNetwork => "Fashion-MNIST",
        }
    }
}
