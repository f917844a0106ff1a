//! `[sample]`: the sampler with its options, the visited levels, and how many samples.

use crate::sampler_options::{Origin, SamplerOptions};
use anyhow::{Result, ensure};
use ddpm_core::{Grid, Scheme, Variance};
use serde::{Deserialize, Serialize};

/// `[sample]` of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SampleConfig {
    /// Number of samples.
    pub(crate) num: u64,
    /// Levels visited; steps of langevin.
    pub(crate) steps: usize,
    /// Which levels; the checkpoint's own grid unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) grid: Option<Grid>,
    /// The sampler and its options.
    #[serde(flatten)]
    pub(crate) sampler: SamplerOptions,
    /// Weight of classifier-free guidance for a class-conditional model: 1 is the model itself, which none means too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) guidance: Option<f64>,
    /// Samples drawn at once.
    pub(crate) batch_size: u64,
    /// Images in the pictures that `train.sample_every` asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) preview_num: Option<u64>,
    /// Levels visited for those, by DDIM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) preview_steps: Option<usize>,
    /// Seed of the starting states and the noise.
    pub(crate) seed: u64,
}

impl Default for SampleConfig {
    fn default() -> Self {
        SampleConfig {
            num: 64,
            steps: 1000,
            grid: None,
            sampler: SamplerOptions::default(),
            guidance: None,
            batch_size: 64,
            preview_num: None,
            preview_steps: None,
            seed: 0,
        }
    }
}

impl SampleConfig {
    /// Checks every setting; `train_steps` is the number of training levels, none on a process in continuous time.
    pub(super) fn validate(&self, train_steps: Option<usize>) -> Result<()> {
        for (key, value) in [
            ("num", self.num),
            ("batch_size", self.batch_size),
            ("steps", self.steps as u64),
            ("preview_num", self.preview_num.unwrap_or(1)),
            ("preview_steps", self.preview_steps.unwrap_or(1) as u64),
        ] {
            ensure!(value >= 1, "sample.{key} must be at least 1, got {value}");
        }
        if let Some(most) = train_steps {
            ensure!(
                self.steps <= most,
                "sample.steps must lie between 1 and the {most} training levels, got {}",
                self.steps
            );
        }
        if let Some(weight) = self.guidance {
            ensure!(weight.is_finite(), "sample.guidance must be finite, got {weight}");
        }
        self.scheme(Variance::FixedLarge).map(|_| ())
    }

    /// The sampler with its options; `own` is the variance where none is given.
    pub(crate) fn scheme(&self, own: Variance) -> Result<Scheme> {
        self.sampler.scheme(own, Some(self.steps), Origin::File)
    }
}
