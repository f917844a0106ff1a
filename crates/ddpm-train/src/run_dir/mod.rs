//! The directory of a training run.

mod checkpoints;
#[cfg(test)]
mod tests;

pub use checkpoints::BestCheckpoint;

use crate::TrainError;
use crate::run_files::{MARK, files};
use ddpm_data::{FolderLock, own_files};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of one run.
///
/// ```text
/// .ddpm-run                        marks the folder as a run; locked by the process that writes it
/// config.toml                      the resolved configuration
/// images.json                      fingerprint of the training images
/// checkpoints/step-00000000/       pipeline directories, eight digits
/// checkpoints/latest               relative link to the newest
/// checkpoints/best                 relative link to the best, and best.json with its distance (`train.evaluate_every`)
/// metrics.jsonl                    one line each `train.log_every` steps
/// log.jsonl                        everything that its processes printed
/// .stopped                         the processes of a group were asked to stop
/// events.out.tfevents.*            the same for TensorBoard
/// samples/                         pictures
/// report/index.html                the report
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    root: PathBuf,
}

impl RunDir {
    /// A run at `root`; nothing is touched.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        RunDir { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The resolved configuration.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// The metrics.
    pub fn metrics(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// The log of what its processes printed.
    pub fn log(&self) -> PathBuf {
        self.root.join("log.jsonl")
    }

    /// The fingerprint of the training images.
    pub fn images(&self) -> PathBuf {
        self.root.join("images.json")
    }

    /// The folder of pictures.
    pub fn samples(&self) -> PathBuf {
        self.root.join("samples")
    }

    /// The report.
    pub fn report(&self) -> PathBuf {
        self.root.join("report").join("index.html")
    }

    /// Makes this process the only one that writes the run, until the result is dropped; the folder is marked as a run.
    ///
    /// # Errors
    /// Where another process writes it, and where the folder has files but is no run.
    pub fn lock(&self) -> Result<FolderLock, TrainError> {
        if !self.is_run()? {
            let mut entries = match fs::read_dir(&self.root) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                    return Ok(FolderLock::marking(&self.root, MARK)?);
                }
                entries => entries.map_err(TrainError::io(&self.root))?,
            };
            if entries.next().is_some() {
                return Err(TrainError::NoRun(self.root.clone()));
            }
        }
        Ok(FolderLock::marking(&self.root, MARK)?)
    }

    /// Whether the folder is marked as a run. Earlier versions set no mark: their runs are known by a configuration beside checkpoints.
    fn is_run(&self) -> Result<bool, TrainError> {
        let marked = self.root.join(MARK).exists();
        Ok(marked || self.config().exists() && self.newest()?.is_some())
    }

    /// The mark of a run whose processes were asked to stop: a launcher that restarts them must not let them train on.
    fn stopped(&self) -> PathBuf {
        self.root.join(".stopped")
    }

    /// Whether the processes of the run were asked to stop and no new job has begun since.
    pub fn was_stopped(&self) -> bool {
        self.stopped().exists()
    }

    /// Notes that the processes were asked to stop, or that a new job begins.
    pub fn set_stopped(&self, stopped: bool) -> Result<(), TrainError> {
        let path = self.stopped();
        if stopped {
            return Ok(ddpm_data::atomic::write_bytes(path, b"")?);
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(TrainError::io(&path)(error)),
            _ => Ok(()),
        }
    }

    /// Refuses a folder that already holds a run.
    pub fn check_is_new(&self) -> Result<(), TrainError> {
        if self.newest()?.is_some() || self.config().exists() {
            return Err(TrainError::RunExists(self.root.clone()));
        }
        Ok(())
    }

    /// Removes the files that a run writes. Other files stay where they are, those inside a checkpoint under a name that is no checkpoint's.
    pub fn clear(&self) -> Result<(), TrainError> {
        own_files::remove(&self.root, &files())?;
        for step in self.steps()? {
            let (from, to) = (self.checkpoint(step), self.checkpoints().join(format!("kept-step-{step:08}")));
            fs::rename(&from, to).map_err(TrainError::io(&from))?;
        }
        Ok(())
    }

    /// Makes the folder for a run's files, and removes what a killed process left half-written.
    pub(crate) fn create(&self) -> Result<(), TrainError> {
        let folder = self.checkpoints();
        fs::create_dir_all(&folder).map_err(TrainError::io(&folder))?;
        self.remove_leftovers()
    }
}
