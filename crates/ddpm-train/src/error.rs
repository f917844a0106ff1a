//! What can stop a training run.

use crate::Illness;
use ddpm_core::CoreError;
use ddpm_data::DataError;
use ddpm_nets::NetsError;
use std::path::{Path, PathBuf};
use torch_ext::TorchError;

/// A run that cannot start or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting outside its range.
    #[error("train.{key} must be {expected}, got {got}")]
    Config {
        /// The key inside `[train]`.
        key: String,
        /// The allowed range in words.
        expected: &'static str,
        /// The value given.
        got: String,
    },
    /// Parts of an objective that do not belong together.
    #[error("{key}: {reason}")]
    Combination {
        /// The key, with its section.
        key: &'static str,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// An objective that cannot be had on these data, or an option outside its range.
    #[error("objective.{key}: {reason}")]
    Objective {
        /// The key inside `[objective]`.
        key: &'static str,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// The data set and the model disagree.
    #[error("the model takes images of {expected}, the data set has {got}; change [model] or [data]")]
    ImageShape {
        /// What the model takes, channels x height x width.
        expected: String,
        /// What the data set has.
        got: String,
    },
    /// A loss or a gradient is no longer a number.
    #[error(
        "{0}; earlier checkpoints are intact, but the same settings fail again: start another --run with a lower train.learning_rate"
    )]
    NonFinite(Illness),
    /// A run directory already holds a run.
    #[error("{} already holds a run; continue it with --resume, or choose another --run", .0.display())]
    RunExists(PathBuf),
    /// No checkpoint of a run can be trusted.
    #[error("no checkpoint of {} is intact: {newest}; bring back a copy of one, or start another --run", run.display())]
    AllDamaged {
        /// The run's folder.
        run: PathBuf,
        /// What is wrong with the newest.
        newest: Box<TrainError>,
    },
    /// The last checkpoint of a process could not be written.
    #[error(
        "the checkpoint of step {step} cannot be written: {cause}; once that is mended, --resume goes on from {}",
        last.map_or_else(|| "the start".to_string(), |last| format!("step {last}"))
    )]
    Unsaved {
        /// Steps done.
        step: u64,
        /// Steps done in the newest checkpoint, if there is one.
        last: Option<u64>,
        /// Why.
        cause: Box<TrainError>,
    },
    /// A saved state that does not belong to this run.
    #[error("{}: {reason}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
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
    /// The model could not be built, loaded or saved.
    #[error(transparent)]
    Nets(#[from] NetsError),
    /// The data could not be had.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A formula was used outside its domain.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// libtorch failed.
    #[error(transparent)]
    Torch(#[from] TorchError),
    /// The observer could not look at the model.
    #[error(transparent)]
    Look(Box<dyn std::error::Error + Send + Sync>),
    /// The TensorBoard file could not be written.
    #[error(transparent)]
    Events(#[from] crate::tensorboard::EventError),
}

impl TrainError {
    /// Whether the disk is at fault (full, over a quota, gone for a moment), so that trying again later may help.
    pub(crate) fn is_storage(&self) -> bool {
        matches!(
            self,
            TrainError::Io { .. }
                | TrainError::Nets(NetsError::Io { .. })
                | TrainError::Data(DataError::Io { .. })
                | TrainError::Events(crate::tensorboard::EventError::Write { .. })
        )
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> TrainError + '_ {
        move |source| TrainError::Io { path: path.to_path_buf(), source }
    }
}
