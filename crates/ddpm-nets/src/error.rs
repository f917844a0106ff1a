//! What can go wrong between a folder on disk and a prediction.

use ddpm_core::CoreError;
use std::path::{Path, PathBuf};
use torch_ext::TorchError;

/// A model, a checkpoint or a prediction that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum NetsError {
    /// A model configuration that no network can have.
    #[error("model.{key}: {reason}")]
    Config {
        /// The configuration key at fault.
        key: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// A noising process or a prediction that a checkpoint cannot express.
    #[error("diffusion.{key}: {reason}")]
    Diffusion {
        /// The configuration key at fault.
        key: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
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
    /// An input whose shape or labels do not fit the model.
    #[error("{what}: expected {expected}, got {got}")]
    Input {
        /// The input.
        what: &'static str,
        /// What the model takes.
        expected: String,
        /// What was given.
        got: String,
    },
    /// A formula was used outside its domain.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// libtorch failed.
    #[error(transparent)]
    Torch(#[from] TorchError),
}

impl NetsError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> NetsError + '_ {
        move |source| NetsError::Io { path: path.to_path_buf(), source }
    }

    pub(crate) fn format(path: &Path, reason: impl Into<String>) -> NetsError {
        NetsError::Format { path: path.to_path_buf(), reason: reason.into() }
    }
}
