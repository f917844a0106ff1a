//! The error shape "key, expected, got" that the errors of all crates share.

use std::borrow::Cow;

/// A value that is not what it must be. Every crate's error enum has a variant that holds it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: expected {expected}, got {got}")]
pub struct Mismatch {
    /// The quantity, key, option or file, by the name that the user gave it.
    pub what: Cow<'static, str>,
    /// What it must be, in words.
    pub expected: String,
    /// What was given.
    pub got: String,
}

impl Mismatch {
    /// `what` must be `expected` and is `got`.
    pub fn new(
        what: impl Into<Cow<'static, str>>,
        expected: impl std::fmt::Display,
        got: impl std::fmt::Display,
    ) -> Self {
        Mismatch { what: what.into(), expected: expected.to_string(), got: got.to_string() }
    }
}
