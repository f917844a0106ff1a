//! `--trajectory` of vectors: the reverse process as a picture, with the score field.

use super::Sample;
use crate::pictures::FRAME;
use crate::process_pictures::{record, reverse};
use anyhow::{Result, ensure};
use ddpm_nets::Denoiser;
use ddpm_sample::{Record, Samples};
use std::path::Path;

impl Sample {
    /// The states that the picture of `--trajectory` shows, for vectors of `dim` numbers.
    pub(super) fn point_record(&self, dim: i64) -> Result<Record> {
        let Some(path) = &self.trajectory else { return Ok(Record::default()) };
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        ensure!(
            ["png", "svg", "gif"].contains(&extension),
            "--trajectory {}: expected a name that ends in .png, .svg or .gif",
            path.display()
        );
        ensure!(dim <= 2, "--trajectory: pictures need vectors of 1 or 2 numbers, these have {dim}");
        ensure!(
            extension != "gif" || dim == 2,
            "--trajectory {}: one dimension has a picture against the level; write .png or .svg",
            path.display()
        );
        Ok(record(dim as usize, extension == "gif"))
    }
}

/// Writes the recorded states, each with the score of its level, and the samples.
pub(super) fn write_trajectory(path: &Path, samples: &Samples, denoiser: &dyn Denoiser) -> Result<()> {
    reverse(samples, denoiser)?.write(path, FRAME)
}
