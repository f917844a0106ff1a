//! Errors of this crate. Each is one line that names the file or quantity, what was expected and what was found.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::name::{DatasetName, UnknownDataset};

/// A result of this crate.
pub type Result<T, E = DataError> = std::result::Result<T, E>;

/// A value other than the one expected, in one line: `{what}: expected {expected}, got {got}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: expected {expected}, got {got}")]
pub struct Mismatch {
    /// The quantity; or the file or folder, with the place in it.
    pub what: String,
    /// What would have been accepted.
    pub expected: String,
    /// What was found.
    pub got: String,
}

/// Errors of reading, fetching and writing data.
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

    /// Another process writes into a folder.
    #[error("{} is in use by {holder}: wait until that ends, or stop it", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The other process.
        holder: String,
    },

    /// A folder has files that no sampling left.
    #[error("{}: has other files, such as {file}; choose a new folder or an empty one for samples", folder.display())]
    ForeignFiles {
        /// The folder.
        folder: PathBuf,
        /// The first of them.
        file: String,
    },

    /// The samples in a place were made with other settings.
    #[error("{}: its samples were made with {difference}: give the same settings to go on, choose another place, or remove {}", place.display(), folder.display())]
    OtherSamples {
        /// The output.
        place: PathBuf,
        /// The first setting that differs, with its value in the samples and its value now.
        difference: String,
        /// The folder with the samples.
        folder: PathBuf,
    },

    /// The file system has no room.
    #[error("{}: needs {needed}, and {free} are free; free space or choose another place", folder.display())]
    DiskFull {
        /// The folder.
        folder: PathBuf,
        /// Bytes that are needed, with a unit.
        needed: String,
        /// Bytes that are free, with a unit.
        free: String,
    },

    /// The content of a file contradicts its format.
    #[error(transparent)]
    Malformed(Mismatch),

    /// An argument is out of range, or a folder does not hold what it should.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),

    /// No dataset has this name.
    #[error(transparent)]
    UnknownDataset(#[from] UnknownDataset),

    /// The files of a dataset have not been fetched.
    #[error("{name} is not in {}: run `ddpm data fetch {name}`, or name a folder that holds it (--data-dir DIR)", folder.display())]
    NotFetched {
        /// The dataset.
        name: DatasetName,
        /// The folder that was searched.
        folder: PathBuf,
    },

    /// A fetched file differs from its entry in the manifest.
    #[error("{0}; fetch it again with `ddpm data fetch`")]
    Corrupt(Mismatch),

    /// No mirror served a file.
    #[error("cannot fetch {file} into {}: {}; if you have a copy, name its folder (--data-dir DIR)", folder.display(), list(failures))]
    Fetch {
        /// The file's name.
        file: String,
        /// The folder it was to be stored in.
        folder: PathBuf,
        /// What went wrong with each mirror, in the order in which they were tried.
        failures: Vec<FailedMirror>,
    },

    /// The system names no folder for cached files.
    #[error("no cache folder: set DDPM_CACHE to a folder for datasets, or HOME")]
    NoCacheFolder,

    /// The manifest has no such entry, or is malformed.
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
    /// The mirror's URL.
    pub url: String,
    /// What went wrong.
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
pub(crate) enum Place {
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

    /// The content of a file contradicts its format at `place`.
    pub(crate) fn malformed(
        path: impl AsRef<Path>,
        place: Place,
        expected: impl fmt::Display,
        got: impl fmt::Display,
    ) -> Self {
        let what = format!("{}: {place}", path.as_ref().display());
        Self::Malformed(Mismatch { what, expected: expected.to_string(), got: got.to_string() })
    }

    /// A quantity or argument is not as expected.
    pub(crate) fn mismatch(
        what: impl fmt::Display,
        expected: impl fmt::Display,
        got: impl fmt::Display,
    ) -> Self {
        let (what, expected, got) = (what.to_string(), expected.to_string(), got.to_string());
        Self::Mismatch(Mismatch { what, expected, got })
    }

    /// A file or folder that the user names does not hold what it should.
    pub(crate) fn no_data(
        path: impl AsRef<Path>,
        expected: impl fmt::Display,
        got: impl fmt::Display,
    ) -> Self {
        Self::mismatch(path.as_ref().display(), expected, got)
    }

    pub(crate) fn picture(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(image::ImageError) -> Self {
        let path = path.as_ref().to_path_buf();
        move |cause| Self::Picture { action, path, cause }
    }
}
