//! Names of the datasets that can be loaded.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use strum::VariantArray;

/// The datasets that this crate can load.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::Display,
    strum::IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum DatasetName {
    /// UCI optical digits, 8x8 grey, 1,797 images; part of the program.
    Digits,
    /// Fashion-MNIST, 28x28 grey, 70,000 images.
    FashionMnist,
    /// CIFAR-10, 32x32 RGB, 60,000 images.
    #[serde(rename = "cifar10")]
    #[strum(serialize = "cifar10")]
    Cifar10,
    /// PNG and JPEG files in a folder that the user names.
    ImageFolder,
}

impl DatasetName {
    /// Every dataset, in the order in which they are listed.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// The name in configurations and on the command line.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The error for a name that no dataset has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown dataset `{}`: expected one of {}", .0, names())]
pub struct UnknownDataset(
    /// The name as given.
    pub String,
);

fn names() -> String {
    DatasetName::ALL.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
}

impl FromStr for DatasetName {
    type Err = UnknownDataset;

    fn from_str(name: &str) -> Result<Self, UnknownDataset> {
        Self::ALL
            .iter()
            .copied()
            .find(|dataset| dataset.as_str() == name)
            .ok_or_else(|| UnknownDataset(name.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_agree_with_configurations() {
        for &name in DatasetName::ALL {
            assert_eq!(name.as_str().parse::<DatasetName>().unwrap(), name);
            let table: toml::Table = toml::from_str(&format!("name = \"{name}\"")).unwrap();
            assert_eq!(table["name"].clone().try_into::<DatasetName>().unwrap(), name);
        }
        assert_eq!(
            "mnist".parse::<DatasetName>().unwrap_err().to_string(),
            "unknown dataset `mnist`: expected one of digits, fashion-mnist, cifar10, image-folder"
        );
    }
}
