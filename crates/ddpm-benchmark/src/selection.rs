//! The values of `--targets`: a closed-form target or a network, by name.

use crate::closed_form_target::TargetName;
use crate::networks::NetworkName;
use std::str::FromStr;
use strum::VariantArray;

/// A closed-form target or a trained network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// A target with a known denoiser.
    Target(TargetName),
    /// A network.
    Network(NetworkName),
}

impl From<TargetName> for Selection {
    fn from(name: TargetName) -> Self {
        Selection::Target(name)
    }
}

impl From<NetworkName> for Selection {
    fn from(name: NetworkName) -> Self {
        Selection::Network(name)
    }
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let target = word.parse().map(Selection::Target);
        target.or_else(|_| word.parse().map(Selection::Network)).map_err(|_| {
            let targets = TargetName::VARIANTS.iter().map(ToString::to_string);
            let known: Vec<String> =
                targets.chain(NetworkName::VARIANTS.iter().map(ToString::to_string)).collect();
            format!("expected one of {}", known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_and_others_are_answered_with_the_list() {
        for name in TargetName::VARIANTS {
            assert_eq!(name.to_string().parse(), Ok(Selection::Target(*name)));
            assert_eq!(serde_json::to_string(name).unwrap(), format!("\"{name}\""));
        }
        for name in NetworkName::VARIANTS {
            assert_eq!(name.to_string().parse(), Ok(Selection::Network(*name)));
            assert_eq!(serde_json::to_string(name).unwrap(), format!("\"{name}\""));
        }
        let error = "digits".parse::<Selection>().unwrap_err();
        assert!(error.contains("digits-gaussian") && error.contains("fashion-network"), "{error}");
    }
}
