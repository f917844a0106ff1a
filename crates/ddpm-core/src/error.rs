//! Errors: inputs outside the domain of a formula.

/// An input outside the domain of a formula; the text names the quantity, what was expected and what was given.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CoreError {
    /// A number lies outside the range that its formula allows.
    #[error("{name} must be {expected}, got {got}")]
    OutOfRange {
        /// The quantity, as the user names it.
        name: &'static str,
        /// The allowed range in words.
        expected: &'static str,
        /// The offending value.
        got: f64,
    },
    /// The number of steps is 0 or above the number of training levels.
    #[error("steps must be between 1 and the {train_steps} training levels, got {got}")]
    Steps {
        /// Number of training levels T.
        train_steps: usize,
        /// The number of steps given.
        got: usize,
    },
    /// A list that defines a schedule is malformed at one entry.
    #[error("{name}[{index}] must be {expected}, got {got}")]
    Entry {
        /// The list.
        name: &'static str,
        /// Position of the offending entry, 0-based.
        index: usize,
        /// The allowed range in words.
        expected: &'static str,
        /// The offending value.
        got: f64,
    },
    /// A name that is not one of the known choices.
    #[error("unknown {what} {got:?}; expected one of {expected}")]
    UnknownName {
        /// What is named.
        what: &'static str,
        /// The name given.
        got: String,
        /// The known names.
        expected: String,
    },
    /// A list has another length than the quantity it belongs to.
    #[error("{what} must have {expected} entries, got {got}")]
    Dimension {
        /// The list.
        what: String,
        /// Required length.
        expected: usize,
        /// Given length.
        got: usize,
    },
    /// A covariance that no Gaussian has.
    #[error("{what} must be symmetric and positive definite: {detail}")]
    NotPositiveDefinite {
        /// The matrix.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A key that the chosen kind does not have, or one that it lacks.
    #[error("schedule {kind:?} {problem} key {key:?}")]
    ScheduleKey {
        /// The schedule.
        kind: &'static str,
        /// `needs` or `does not take`.
        problem: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A combination that has no meaning.
    #[error("{0}")]
    Unsupported(String),
}

impl CoreError {
    /// `word` names none of the values of `T`.
    pub(crate) fn unknown_name<T: strum::VariantArray + ToString>(
        what: &'static str,
        word: &str,
    ) -> CoreError {
        let expected = T::VARIANTS.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        CoreError::UnknownName { what, got: word.to_owned(), expected }
    }

    /// The usual check: `value` is in the range, or an error that names it.
    pub(crate) fn check(
        name: &'static str,
        expected: &'static str,
        value: f64,
        ok: bool,
    ) -> Result<f64, CoreError> {
        if ok { Ok(value) } else { Err(CoreError::OutOfRange { name, expected, got: value }) }
    }
}
