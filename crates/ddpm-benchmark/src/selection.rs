//! The value of `--targets`: a closed-form target or a network, by name.

use crate::closed_form_target::TargetName;
use crate::networks::NetworkName;
use std::str::FromStr;

/// A closed-form target or a trained network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// A law with a known denoiser.
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

impl Selection {
    /// All of them, in the order of reports.
    fn all() -> impl Iterator<Item = Selection> {
        TargetName::ALL.into_iter().map(Selection::Target).chain(NetworkName::ALL.map(Selection::Network))
    }

    fn name(self) -> &'static str {
        match self {
            Selection::Target(name) => name.name(),
            Selection::Network(name) => name.name(),
        }
    }
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::all().find(|subject| subject.name() == word).ok_or_else(|| {
            let known: Vec<&str> = Self::all().map(Selection::name).collect();
            format!("expected one of {}", known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_and_others_are_answered_with_the_list() {
        for subject in Selection::all() {
            assert_eq!(subject.name().parse(), Ok(subject));
        }
        let error = "digits".parse::<Selection>().unwrap_err();
        assert!(error.contains("digits-gaussian") && error.contains("fashion-network"), "{error}");
    }
}
