//! A run: its configuration, the directory of its results, and the device that it computes on.

use crate::config::{Configuration, ImageConfig, check_unchanged, parse_as};
use crate::run_log;
use crate::runtime::device_name;
use anyhow::{Context, Result};
use ddpm_data::FolderLock;
use ddpm_train::RunDir;
use std::path::{Path, PathBuf};
use tch::Device;
use torch_ext::dist::Workers;

/// A run of one kind; of diffusion on images unless said otherwise.
#[derive(Debug)]
pub(crate) struct Run<C = ImageConfig> {
    /// The preset's name, or the configuration file's stem.
    pub(crate) name: String,
    /// The configuration.
    pub(crate) config: C,
    /// The run directory.
    pub(crate) dir: RunDir,
    /// The device.
    pub(crate) device: Device,
    /// The processes that share the training; this one alone unless a launcher started several.
    pub(crate) workers: Workers,
}

impl<C: Configuration> Run<C> {
    /// A run in `folder`, or in `runs/NAME`.
    pub(crate) fn new(name: String, config: C, folder: Option<PathBuf>, device: Device) -> Self {
        let folder = folder.unwrap_or_else(|| Path::new("runs").join(&name));
        Run { name, config, dir: RunDir::new(folder), device, workers: Workers::alone() }
    }

    /// The same run, whose training `workers` share.
    pub(crate) fn among(self, workers: Workers) -> Self {
        Run { workers, ..self }
    }

    /// Makes this process (of several the first one) the only one that writes the run, until the result is dropped. What it prints goes into the run's log.
    pub(crate) fn lock(&self) -> Result<Option<FolderLock>> {
        if !self.workers.is_first() {
            return Ok(None);
        }
        let lock = self.dir.lock()?;
        if let Some(warning) = lock.warning() {
            tracing::warn!("{warning}");
        }
        run_log::prepare(&self.dir.log(), &device_name(self.device));
        Ok(Some(lock))
    }

    /// Writes into the log of a run that exists. That of a new run begins with its first file.
    pub(crate) fn continue_log(&self) {
        if self.dir.config().exists() {
            run_log::begin();
        }
    }

    /// Refuses to resume a run that was begun under other settings, or that is of another kind.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        let path = self.dir.config();
        if !path.exists() {
            return Ok(());
        }
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let old = parse_as::<C>(&text).with_context(|| path.display().to_string())?;
        check_unchanged(&old, &self.config, self.dir.root())
    }
}
