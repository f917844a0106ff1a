//! The first set of a comparison: features in a file, a folder of images, or samples of a checkpoint.

use crate::checkpoints::load_images;
use crate::evaluation::{CheckpointSamples, features, load_extractor, of_folder};
use crate::global_options::Global;
use crate::levels_file;
use crate::numbers::{count, count64};
use crate::runtime::StopFlag;
use crate::sampler_options::{Origin, SamplerOptions};
use crate::terminal_noise::warn_of_signal;
use crate::workers::in_turn;
use anyhow::{Context, Result, bail, ensure};
use ddpm_core::{Grid, Scheme};
use ddpm_data::samples::Existing;
use ddpm_eval::extractor::{ExtractorChoice, FeatureExtractor, FeatureFile};
use ddpm_nets::Threshold;
use std::path::{Path, PathBuf};
use tch::Device;
use torch_ext::dist::Workers;

/// Samples of a checkpoint unless told otherwise: what the literature compares.
const SAMPLES: u64 = 50_000;
/// Images at once.
const BATCH: u64 = 64;

/// Where the first set comes from.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = None::<&str>)]
pub(super) struct FirstSet {
    /// A file of features, as `ddpm eval features` writes it
    #[arg(long, value_name = "FILE", required_unless_present_any = ["images", "checkpoint"], conflicts_with_all = ["images", "checkpoint", "extractor"])]
    features_a: Option<PathBuf>,
    /// A folder of images, or of the shards of `ddpm sample --shards`
    #[arg(long, value_name = "DIR", requires = "extractor", conflicts_with = "checkpoint")]
    images: Option<PathBuf>,
    /// A checkpoint, which is sampled
    #[arg(long, value_name = "DIR", requires = "extractor")]
    checkpoint: Option<PathBuf>,
    /// inception, inception:FILE, torchscript:FILE, classifier:DIR or pixels
    #[arg(long, value_name = "EX")]
    extractor: Option<ExtractorChoice>,
    #[command(flatten)]
    sampling: Sampling,
}

/// How a checkpoint is sampled.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Samples of --checkpoint")]
pub(super) struct Sampling {
    /// Number of samples [default: 50000]
    #[arg(long, value_name = "N", value_parser = count64)]
    num: Option<u64>,
    /// The folder of the samples (shards), which stays; the same command goes on in it [default: one in the cache]
    #[arg(long, value_name = "DIR")]
    samples: Option<PathBuf>,
    /// Noise levels visited [default: all training levels]
    #[arg(long, value_name = "N", value_parser = count)]
    steps: Option<usize>,
    /// Where they lie: leading, linspace, trailing, quadratic, log-snr or karras [default: the checkpoint's]
    #[arg(long, value_name = "NAME")]
    grid: Option<Grid>,
    /// A file of the levels to visit, {"timesteps": [...]} or {"log_snr": [...]}, the noisiest first, as `ddpm decompose --write-levels` writes it
    #[arg(long, value_name = "FILE.json", visible_alias = "levels", conflicts_with_all = ["steps", "grid"])]
    visited: Option<PathBuf>,
    /// Samples at once [default: 64]
    #[arg(long, value_name = "N", value_parser = count64)]
    batch_size: Option<u64>,
    #[command(flatten)]
    sampler: SamplerOptions,
}

/// The features of the first set, and what made them.
pub(super) struct FirstFeatures {
    pub(super) file: FeatureFile,
    /// None for a file.
    pub(super) extractor: Option<(ExtractorChoice, Box<dyn FeatureExtractor>)>,
}

impl FirstSet {
    /// The file of features, if the set is one.
    pub(super) fn file(&self) -> Option<&Path> {
        self.features_a.as_deref()
    }

    /// Refuses options without effect.
    pub(super) fn check(&self, global: &Global) -> Result<()> {
        ensure!(self.sampling.num != Some(1), "--num must be at least 2, got 1");
        if self.checkpoint.is_none() {
            global.given.refuse_group::<Sampling>("without --checkpoint: it is for its samples")?;
            global
                .given
                .refuse(&["seed"], "on ddpm eval without --checkpoint, which draws nothing at random")?;
        }
        Ok(())
    }

    /// The features; several processes share the sampling and the extraction.
    pub(super) fn features(
        &self,
        global: &Global,
        device: Device,
        workers: &Workers,
        stop: &StopFlag,
    ) -> Result<FirstFeatures> {
        if let Some(path) = &self.features_a {
            return Ok(FirstFeatures { file: FeatureFile::read(path)?, extractor: None });
        }
        let choice = self.extractor.clone().context("--extractor is needed")?;
        let extractor = in_turn(workers, || load_extractor(&choice, device))?;
        let images = match (&self.images, &self.checkpoint) {
            (Some(folder), _) => of_folder(folder)?,
            (None, Some(dir)) => {
                let folder = self.sampling.samples_of(dir, global, device, workers, stop)?;
                let mut images = of_folder(&folder)?;
                images.name = format!("samples of {}", dir.display());
                images
            }
            (None, None) => bail!("--features-a, --images or --checkpoint is needed"),
        };
        let file = features(extractor.as_ref(), &images, workers, stop)?;
        Ok(FirstFeatures { file, extractor: Some((choice, extractor)) })
    }
}

impl Sampling {
    /// The folder with the samples of a checkpoint.
    fn samples_of(
        &self,
        dir: &Path,
        global: &Global,
        device: Device,
        workers: &Workers,
        stop: &StopFlag,
    ) -> Result<PathBuf> {
        let checkpoint = load_images(dir, device)?;
        let clips = checkpoint.scheduler.threshold() != Threshold::None;
        self.sampler.check_thresholding(clips, Origin::CommandLine)?;
        warn_of_signal(checkpoint.scheduler.noising())?;
        let scheme = self.sampler.scheme(checkpoint.scheduler.variance(), self.steps, Origin::CommandLine)?;
        ensure!(
            !matches!(scheme, Scheme::Langevin { .. }),
            "--sampler langevin stays at one noise level and draws no images; take another sampler"
        );
        let chosen = self.visited.as_deref().map(levels_file::read).transpose()?;
        let samples = CheckpointSamples {
            checkpoint: &checkpoint,
            dir,
            scheme,
            steps: self.steps.unwrap_or(checkpoint.scheduler.noising().default_steps()),
            grid: self.grid,
            chosen: chosen.as_ref(),
            tolerance: self.sampler.tolerance(),
            num: self.num.unwrap_or(SAMPLES),
            batch_size: self.batch_size.unwrap_or(BATCH),
            seed: global.seed.unwrap_or(0),
            device,
        };
        let folder = samples.write(self.samples.as_deref(), Existing::Refuse, workers, stop)?;
        note!("sample: the {} samples are in {}", samples.num, folder.display());
        Ok(folder)
    }
}
