//! Errors of making, reading and writing reports.

use ddpm_core::CoreError;
use ddpm_data::DataError;
use std::path::{Path, PathBuf};

/// What can go wrong while a report is made, read or written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] DataError),
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file or folder does not have the expected content.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file or folder.
        path: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
    /// Two things that belong together do not fit.
    #[error("{what}: expected {expected}, got {got}")]
    Mismatch {
        /// What does not fit.
        what: &'static str,
        /// What was expected.
        expected: String,
        /// What was given.
        got: String,
    },
    /// The bytes of a picture are neither PNG nor GIF.
    #[error("the picture “{alt}” cannot be shown: expected a PNG or GIF file, got {got}")]
    Image {
        /// What the picture shows.
        alt: String,
        /// What is wrong with its bytes.
        got: String,
    },
    /// A row of a table does not fit its columns.
    #[error("row {row} of the table “{table}” has {got} cells; expected {expected}, one a column")]
    RowLength {
        /// The table's caption.
        table: String,
        /// The row, counted from 0.
        row: usize,
        /// The number of columns.
        expected: usize,
        /// The number of cells.
        got: usize,
    },
    /// A formula was used outside its domain.
    #[error(transparent)]
    Core(#[from] CoreError),
}

impl ReportError {
    pub(crate) fn format(path: &Path, reason: impl Into<String>) -> ReportError {
        ReportError::Format { path: path.to_path_buf(), reason: reason.into() }
    }

    // By value, so that literals need no `&`.
    #[allow(clippy::needless_pass_by_value)]
    pub(crate) fn mismatch(what: &'static str, expected: impl ToString, got: impl ToString) -> ReportError {
        ReportError::Mismatch { what, expected: expected.to_string(), got: got.to_string() }
    }
}
