//! Names of the networks in files, in reports and on the command line.

use serde::{Deserialize, Serialize};

/// A network of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkName {
    /// Trained on the digits.
    DigitsNetwork,
    /// Trained on Fashion-MNIST.
    FashionNetwork,
}

impl NetworkName {
    /// All networks, in the order of reports.
    pub(crate) const ALL: [NetworkName; 2] = [NetworkName::DigitsNetwork, NetworkName::FashionNetwork];

    /// The name in files and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            NetworkName::DigitsNetwork => "digits-network",
            NetworkName::FashionNetwork => "fashion-network",
        }
    }

    /// The data set, as reports name it.
    pub(crate) fn data(self) -> &'static str {
        match self {
            NetworkName::DigitsNetwork => "digits",
            NetworkName::FashionNetwork => "Fashion-MNIST",
        }
    }
}

impl std::fmt::Display for NetworkName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
