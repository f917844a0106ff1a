//! What can be wrong with data, each error in one line that says where, what was expected and what was found.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::name::DatasetName;

/// A result of this crate.
pub type Result<T, E = DataError> = std::result::Result<T, E>;

/// Anything that can go wrong between bytes somewhere and images in memory, or on the way back to a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system refused to read or write a file.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// What was attempted, as a verb: "read", "create", ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        cause: io::Error,
    },

    /// A file's content contradicts its format.
    #[error("{}: {place}: expected {expected}, got {got}", path.display())]
    Malformed {
        /// The offending file.
        path: PathBuf,
        /// Where in the file.
        place: Place,
        /// What the format asks for.
        expected: String,
        /// What the file holds.
        got: String,
    },

    /// Numbers handed over by the caller do not fit together.
    #[error("{what}: expected {expected}, got {got}")]
    Mismatch {
        /// The quantity.
        what: &'static str,
        /// What would fit.
        expected: String,
        /// What was handed over.
        got: String,
    },

    /// No dataset has this name.
    #[error("unknown dataset `{name}`: expected one of {}", DatasetName::ALL.map(DatasetName::as_str).join(", "))]
    UnknownDataset {
        /// What was asked for.
        name: String,
    },

    /// A dataset is asked for that was never fetched.
    #[error("{name} is not in {}: run `ddpm data fetch {name}`, or name a folder that holds it (--data-dir DIR)", folder.display())]
    NotFetched {
        /// The dataset.
        name: DatasetName,
        /// Where it was looked for.
        folder: PathBuf,
    },

    /// A folder named by the user does not hold what it should.
    #[error("{}: expected {expected}, got {got}", path.display())]
    NoData {
        /// The folder.
        path: PathBuf,
        /// What would have been accepted.
        expected: String,
        /// What is there.
        got: String,
    },

    /// A fetched file changed on disk.
    #[error("{}: expected {what} {expected}, got {got}; fetch it again with `ddpm data fetch`", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What was compared: size or checksum.
        what: &'static str,
        /// As in the manifest.
        expected: String,
        /// As on disk.
        got: String,
    },

    /// No mirror served a file.
    #[error("cannot fetch {file} into {}: {}; if you have a copy, name its folder (--data-dir DIR)", folder.display(), list(failures))]
    Fetch {
        /// The file's name.
        file: String,
        /// Where it was to go.
        folder: PathBuf,
        /// What went wrong with each mirror, in the order in which they were tried.
        failures: Vec<FailedMirror>,
    },

    /// The system names no folder for cached files.
    #[error("no cache folder: set DDPM_CACHE to a folder for datasets, or HOME")]
    NoCacheFolder,

    /// The manifest has no such entry, or is broken.
    #[error("datasets/manifest.toml: {reason}")]
    Manifest {
        /// What is wrong.
        reason: String,
    },

    /// A picture could not be encoded or decoded.
    #[error("cannot {action} {}: {cause}", path.display())]
    Picture {
        /// What was attempted, as a verb.
        action: &'static str,
        /// The file, or a description of what was to be encoded.
        path: PathBuf,
        /// The codec's answer.
        cause: image::ImageError,
    },
}

/// A mirror that did not serve a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedMirror {
    /// Its address.
    pub url: String,
    /// What went wrong, with what was expected and what came.
    pub reason: String,
}

fn list(failures: &[FailedMirror]) -> String {
    if failures.is_empty() {
        return "it has no mirror".to_string();
    }
    failures.iter().map(|mirror| format!("{}: {}", mirror.url, mirror.reason)).collect::<Vec<_>>().join("; ")
}

/// A position in a file, for error messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    WholeFile,
    /// A byte offset, from 0.
    Byte(u64),
    /// A record number, from 0, and the byte offset at which the offending value stands.
    Record {
        /// Record number, from 0.
        record: u64,
        /// Byte offset, from 0.
        byte: u64,
    },
    /// A line number, from 1.
    Line(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WholeFile => write!(f, "whole file"),
            Self::Byte(byte) => write!(f, "byte {byte}"),
            Self::Record { record, byte } => write!(f, "record {record} (byte {byte})"),
            Self::Line(line) => write!(f, "line {line}"),
        }
    }
}

impl DataError {
    /// Wraps a system error with what was attempted on which path; made for `map_err`.
    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |cause| Self::Io { action, path, cause }
    }

    pub(crate) fn malformed(
        path: impl AsRef<Path>,
        place: Place,
        expected: impl fmt::Display,
        got: impl fmt::Display,
    ) -> Self {
        Self::Malformed {
            path: path.as_ref().to_path_buf(),
            place,
            expected: expected.to_string(),
            got: got.to_string(),
        }
    }

    pub(crate) fn mismatch(what: &'static str, expected: impl fmt::Display, got: impl fmt::Display) -> Self {
        Self::Mismatch { what, expected: expected.to_string(), got: got.to_string() }
    }

    pub(crate) fn picture(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(image::ImageError) -> Self {
        let path = path.as_ref().to_path_buf();
        move |cause| Self::Picture { action, path, cause }
    }
}
