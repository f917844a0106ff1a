//! What the sweep can be restricted to, as it is typed.

use super::networks::NetworkName;
use super::target::TargetName;
use std::str::FromStr;

/// A closed-form target or a trained network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A law with a known denoiser.
    Target(TargetName),
    /// A network.
    Network(NetworkName),
}

impl From<TargetName> for Subject {
    fn from(name: TargetName) -> Self {
        Subject::Target(name)
    }
}

impl From<NetworkName> for Subject {
    fn from(name: NetworkName) -> Self {
        Subject::Network(name)
    }
}

impl Subject {
    /// All of them, in the order of reports.
    fn all() -> impl Iterator<Item = Subject> {
        TargetName::ALL.into_iter().map(Subject::Target).chain(NetworkName::ALL.map(Subject::Network))
    }

    fn name(self) -> &'static str {
        match self {
            Subject::Target(name) => name.name(),
            Subject::Network(name) => name.name(),
        }
    }
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::all().find(|subject| subject.name() == word).ok_or_else(|| {
            let known: Vec<&str> = Self::all().map(Subject::name).collect();
            format!("expected one of {}", known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_and_others_are_answered_with_the_list() {
        for subject in Subject::all() {
            assert_eq!(subject.name().parse(), Ok(subject));
        }
        let error = "digits".parse::<Subject>().unwrap_err();
        assert!(error.contains("digits-gaussian") && error.contains("fashion-network"), "{error}");
    }
}
