//! Errors of networks, checkpoints and predictions.

use ddpm_core::{CoreError, Mismatch};
use std::path::{Path, PathBuf};
use torch_ext::TorchError;

/// Why a model, a checkpoint or a prediction cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum NetsError {
    /// A key of a configuration: what is wrong, and what would be right.
    #[error("{key}: {reason}")]
    Key {
        /// The key with its section, such as `model.dropout`.
        key: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// A setting outside its range.
    #[error("{} must be {}, got {}", .0.what, .0.expected, .0.got)]
    Setting(Mismatch),
    /// An input whose shape, kind or labels do not fit the model.
    #[error(transparent)]
    Input(#[from] Mismatch),
    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file whose content is not what its name promises.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
    /// A formula was used outside its domain.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// libtorch failed.
    #[error(transparent)]
    Torch(#[from] TorchError),
}

impl NetsError {
    /// A key of `[model]` with a reason.
    pub fn model(key: &str, reason: impl Into<String>) -> Self {
        NetsError::Key { key: format!("model.{key}"), reason: reason.into() }
    }

    /// An input that is not what the model takes.
    pub fn input(what: &'static str, expected: impl std::fmt::Display, got: impl std::fmt::Display) -> Self {
        NetsError::Input(Mismatch::new(what, expected, got))
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> NetsError + '_ {
        move |source| NetsError::Io { path: path.to_path_buf(), source }
    }

    pub(crate) fn format(path: &Path, reason: impl Into<String>) -> NetsError {
        NetsError::Format { path: path.to_path_buf(), reason: reason.into() }
    }
}
