//! Checkpoints as commands load them: compared with their manifest first, where they have one.

use anyhow::Result;
use ddpm_nets::checkpoint::{Checkpoint, VectorCheckpoint};
use ddpm_train::verify_published;
use std::path::Path;
use tch::Device;

/// Loads a network on images.
pub(crate) fn load_images(dir: &Path, device: Device) -> Result<Checkpoint> {
    verify_published(dir)?;
    Ok(Checkpoint::load(dir, device)?)
}

/// Loads a network on vectors.
pub(crate) fn load_vectors(dir: &Path, device: Device) -> Result<VectorCheckpoint> {
    verify_published(dir)?;
    Ok(VectorCheckpoint::load(dir, device)?)
}
