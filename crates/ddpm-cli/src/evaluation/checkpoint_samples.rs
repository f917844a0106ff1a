//! Samples of a checkpoint for an evaluation: shards of bytes in a folder, image i from the i-th seed whatever the batch size. An interruption
//! keeps the finished batches.

use crate::checkpoint_sampling::ImageSampling;
use crate::image_model::{ImageModel, image_shape};
use crate::runtime::StopFlag;
use crate::sample_files::{SampleFiles, network_digest, settings};
use crate::sampling_memory;
use anyhow::{Context, Result};
use ddpm_core::{ChosenLevels, Grid, Scheme};
use ddpm_data::samples::{Existing, SampleFormat};
use ddpm_data::{datasets_dir, sha256_bytes};
use ddpm_nets::checkpoint::Checkpoint;
use ddpm_sample::{NoiseInput, Record, Tolerance};
use serde_json::json;
use std::path::{Path, PathBuf};
use tch::Device;
use torch_ext::dist::Workers;

/// How a checkpoint is sampled for an evaluation. Classes come in turn; there is no guidance.
#[derive(Clone, Copy)]
pub(crate) struct CheckpointSamples<'a> {
    /// The checkpoint.
    pub(crate) checkpoint: &'a Checkpoint,
    /// Where it came from.
    pub(crate) dir: &'a Path,
    /// The sampler.
    pub(crate) scheme: Scheme,
    /// Number of levels visited.
    pub(crate) steps: usize,
    /// Which ones; by the checkpoint's own grid unless given.
    pub(crate) grid: Option<Grid>,
    /// The levels themselves, in the place of a number and a grid.
    pub(crate) chosen: Option<&'a ChosenLevels>,
    /// The errors that an adaptive sampler allows in a step.
    pub(crate) tolerance: Tolerance,
    /// Number of images.
    pub(crate) num: u64,
    /// Images at once.
    pub(crate) batch_size: u64,
    /// Seed of the noise.
    pub(crate) seed: u64,
    /// The device.
    pub(crate) device: Device,
}

impl CheckpointSamples<'_> {
    /// Draws the images that are not there yet, into `folder` or one of the cache. The result is the folder. Several processes share the images.
    ///
    /// `existing` says what happens to other samples in it.
    pub(crate) fn write(
        &self,
        folder: Option<&Path>,
        existing: Existing,
        workers: &Workers,
        stop: &StopFlag,
    ) -> Result<PathBuf> {
        sampling_memory::check_images(
            self.batch_size.min(self.num),
            self.checkpoint.network.config(),
            self.device,
        )?;
        let model = ImageModel::plain(self.checkpoint);
        let classes = model.labels.clone();
        let shape = image_shape(self.checkpoint);
        let job = ImageSampling {
            model,
            dir: self.dir,
            scheme: self.scheme,
            steps: self.steps,
            grid: self.grid,
            chosen: self.chosen.cloned(),
            at: None,
            tolerance: self.tolerance,
            noise: NoiseInput::keyed(self.seed, &shape),
            num: self.num,
            batch_size: self.batch_size,
            threshold: None,
            known: None,
            record: Record::default(),
        }
        .job()?;
        let model = settings([("checkpoint", network_digest(self.dir)?)]);
        let folder = match folder {
            Some(folder) => folder.to_path_buf(),
            None => {
                let mut all = model.clone();
                all.extend(job.settings()?);
                all.insert("num".into(), json!(self.num));
                let digest = sha256_bytes(serde_json::to_string(&all)?.as_bytes());
                let folder = datasets_dir()?.with_file_name("samples").join(&digest[..16]);
                std::fs::create_dir_all(&folder)
                    .with_context(|| format!("the cache folder {}", folder.display()))?;
                folder
            }
        };
        let files = SampleFiles {
            path: &folder,
            format: SampleFormat::Shards,
            existing,
            model,
            source: settings([("checkpoint", json!(self.dir))]),
            scale: 1.0,
            shape: shape.to_vec(),
            classes,
        };
        // The finished batches stay when it is stopped, and the message says so.
        let before = stop.set_abandonable(None);
        let written = files.write(&job, self.device, stop, workers);
        stop.set_abandonable(before);
        written?;
        Ok(folder)
    }
}
