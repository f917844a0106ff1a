//! The sampler of a checkpoint that a study is about.

use crate::checkpoint_sampling::ImageSampling;
use crate::image_model::ImageModel;
use crate::sampling::SamplingJob;
use crate::sampling_memory;
use anyhow::Result;
use ddpm_core::{ChosenLevels, Grid, Scheme};
use ddpm_nets::checkpoint::Checkpoint;
use ddpm_sample::{NoiseInput, Record, Tolerance};
use std::path::Path;
use tch::Device;

/// A checkpoint, and how it is sampled.
pub(crate) struct StudiedSampler<'a> {
    /// The checkpoint.
    pub(crate) checkpoint: &'a Checkpoint,
    /// Where it came from.
    pub(crate) dir: &'a Path,
    /// The sampler.
    pub(crate) scheme: Scheme,
    /// Its steps.
    pub(crate) steps: usize,
    /// Placement of the levels; the checkpoint's own unless given.
    pub(crate) grid: Option<Grid>,
    /// The levels of `steps` themselves, where they are chosen one by one.
    pub(crate) chosen: Option<ChosenLevels>,
    /// Samples at once.
    pub(crate) batch_size: u64,
    /// Seed of starts and noise.
    pub(crate) seed: u64,
    /// What the predicted eps is divided by.
    pub(crate) epsilon_scale: Option<f64>,
    /// The device.
    pub(crate) device: Device,
}

/// What a job of a study changes, and how much it draws.
pub(crate) struct StudyJob<'a> {
    /// The sampler.
    pub(crate) scheme: Scheme,
    /// Its steps.
    pub(crate) steps: usize,
    /// Its levels, where they are chosen one by one.
    pub(crate) chosen: Option<&'a ChosenLevels>,
    /// Classes that samples have in turn; none for an unconditional model.
    pub(crate) labels: Option<Vec<i64>>,
    /// Starting states and noise.
    pub(crate) noise: NoiseInput,
    /// Number of samples.
    pub(crate) num: u64,
    /// Which states to keep.
    pub(crate) record: Record,
}

impl StudiedSampler<'_> {
    /// Classes that samples have in turn unless told otherwise.
    pub(crate) fn labels(&self) -> Option<Vec<i64>> {
        ImageModel::plain(self.checkpoint).labels
    }

    /// Refuses a batch of at most `num` samples that the memory cannot hold.
    pub(crate) fn check_memory(&self, num: u64) -> Result<()> {
        sampling_memory::check_images(self.batch_size.min(num), self.checkpoint.network.config(), self.device)
    }

    /// A sampling job of the checkpoint.
    pub(crate) fn job(&self, job: StudyJob<'_>) -> Result<SamplingJob<'_>> {
        let StudyJob { scheme, steps, chosen, labels, noise, num, record } = job;
        ImageSampling {
            model: ImageModel {
                labels,
                epsilon_scale: self.epsilon_scale,
                ..ImageModel::plain(self.checkpoint)
            },
            dir: self.dir,
            scheme,
            steps,
            grid: self.grid,
            chosen: chosen.cloned(),
            at: None,
            tolerance: Tolerance::default(),
            noise,
            num,
            batch_size: self.batch_size,
            threshold: None,
            known: None,
            record,
        }
        .job()
    }
}
