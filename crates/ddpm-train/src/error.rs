//! Errors of training.

use crate::nonfinite::NonFiniteStep;
use crate::tensorboard::EventError;
use ddpm_core::{CoreError, Mismatch};
use ddpm_data::DataError;
use ddpm_nets::NetsError;
use std::path::{Path, PathBuf};
use torch_ext::TorchError;

/// Why a run cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting of `[train]` outside its range.
    #[error("{} must be {}, got {}", .0.what, .0.expected, .0.got)]
    Setting(Mismatch),
    /// A key of a configuration: what is wrong, and what would be right.
    #[error("{key}: {reason}")]
    Key {
        /// The key, with its section.
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
    /// A loss or a gradient is NaN or infinite.
    #[error(
        "{0}; earlier checkpoints are intact, but the same settings fail again: start another --run with a lower train.learning_rate"
    )]
    NonFinite(NonFiniteStep),
    /// Processes of one run have different weights.
    #[error(
        "the processes have different weights after step {step}: digests {first} on rank 0, {other} on rank {rank}; earlier checkpoints are \
         intact. The processes were started with different settings, their machines differ in processors or libraries, or one computes \
         wrongly: resume with the same command on equal machines"
    )]
    Disagreement {
        /// Steps done.
        step: u64,
        /// The first process that differs from rank 0.
        rank: usize,
        /// Digests of weights and average on rank 0, in hexadecimal.
        first: String,
        /// The same on `rank`.
        other: String,
    },
    /// A run directory already holds a run.
    #[error("{} already holds a run; continue it with --resume, or choose another --run", .0.display())]
    RunExists(PathBuf),
    /// A folder that is not empty and no run.
    #[error("{} has files of other origin and is no run of this program; choose another --run, or an empty folder", .0.display())]
    NoRun(PathBuf),
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
        "the checkpoint of step {step} cannot be written: {cause}; once that is mended, --resume continues from {}",
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
    /// A configuration file of a checkpoint is not what training wrote, and is valid all the same.
    #[error(
        "{}: was changed since training wrote it, so that training cannot resume here; restore the file (other checkpoints of the run \
         have the same one), or start another --run with the changed settings. Sampling takes the checkpoint as it is",
        .0.display()
    )]
    Edited(PathBuf),
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
    /// A callback failed.
    #[error(transparent)]
    Callback(Box<dyn std::error::Error + Send + Sync>),
    /// The TensorBoard file could not be written.
    #[error(transparent)]
    Events(#[from] EventError),
}

impl TrainError {
    /// A setting of `[train]` that must be `expected`.
    pub(crate) fn setting(
        key: &str,
        expected: impl std::fmt::Display,
        got: impl std::fmt::Display,
    ) -> TrainError {
        TrainError::Setting(Mismatch::new(format!("train.{key}"), expected, got))
    }

    pub(crate) fn key(key: &'static str, reason: impl Into<String>) -> TrainError {
        TrainError::Key { key, reason: reason.into() }
    }

    /// Whether the disk is at fault (full, over a quota, absent for a moment), so that a later attempt may succeed.
    pub(crate) fn is_storage(&self) -> bool {
        matches!(
            self,
            TrainError::Io { .. }
                | TrainError::Nets(NetsError::Io { .. })
                | TrainError::Data(DataError::Io { .. })
                | TrainError::Events(EventError::Write { .. })
        )
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> TrainError + '_ {
        move |source| TrainError::Io { path: path.to_path_buf(), source }
    }
}
