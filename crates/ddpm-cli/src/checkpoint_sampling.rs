//! Sampling a checkpoint of a network on images: its own levels, thresholding and stored errors.

use crate::image_model::ImageModel;
use crate::sampling::{KnownRegion, Model, SamplingJob, VisitedLevels};
use anyhow::{Context, Result, ensure};
use ddpm_core::{ChosenLevels, Grid, Level, Noising, Scheme, Variance};
use ddpm_data::Split;
use ddpm_nets::Threshold;
use ddpm_report::results::DenoisingError;
use ddpm_sample::{NoiseInput, Options, Record, Tolerance};
use std::path::Path;

/// How a checkpoint is sampled.
pub(crate) struct ImageSampling<'a> {
    /// The network with classes and guidance.
    pub(crate) model: ImageModel<'a>,
    /// Where the checkpoint came from: the analytic variance reads its stored errors.
    pub(crate) dir: &'a Path,
    /// The sampler with its options.
    pub(crate) scheme: Scheme,
    /// Number of levels visited.
    pub(crate) steps: usize,
    /// Which ones; by the checkpoint's own grid unless given.
    pub(crate) grid: Option<Grid>,
    /// The levels themselves, in the place of a number and a grid.
    pub(crate) chosen: Option<ChosenLevels>,
    /// The timestep at which Langevin dynamics runs.
    pub(crate) at: Option<f64>,
    /// The errors that an adaptive sampler allows in a step.
    pub(crate) tolerance: Tolerance,
    /// Starting states and noise.
    pub(crate) noise: NoiseInput,
    /// Number of images.
    pub(crate) num: u64,
    /// Images at once.
    pub(crate) batch_size: u64,
    /// Which states to keep.
    pub(crate) record: Record,
    /// Thresholding of the predicted x_0; the checkpoint's own unless given.
    pub(crate) threshold: Option<Threshold>,
    /// A region that every image keeps.
    pub(crate) known: Option<KnownRegion>,
}

/// Frames and images of the trajectory picture.
pub(crate) const TRAJECTORY: Record = Record { frames: 11, images: 8 };
/// Frames and images of the animation.
pub(crate) const ANIMATION: Record = Record { frames: 40, images: 16 };

impl<'a> ImageSampling<'a> {
    /// The job, whose samples are images [num, channels, height, width] in model space.
    pub(crate) fn job(self) -> Result<SamplingJob<'a>> {
        let checkpoint = self.model.checkpoint;
        let noising = checkpoint.scheduler.noising();
        let grid = self.grid.unwrap_or(checkpoint.scheduler.spacing());
        let mut levels = match (self.scheme, noising) {
            (Scheme::Langevin { .. }, _) => {
                ensure!(
                    self.at.is_some(),
                    "langevin runs at one noise level of a checkpoint: name it with --at T"
                );
                VisitedLevels::single(noising, self.at)?
            }
            _ if self.chosen.is_some() => {
                VisitedLevels::chosen(noising, self.chosen.as_ref().context("levels")?)?
            }
            (_, Noising::Continuous { .. }) => VisitedLevels::along(noising, Some(self.steps), Some(grid))?,
            (_, Noising::Discrete(_)) => {
                let (schedule, timesteps) = checkpoint.scheduler.visit(grid, self.steps)?;
                VisitedLevels::of_timesteps(schedule, &timesteps, grid)?
            }
        };
        if self.scheme == (Scheme::Ddpm { variance: Variance::Analytic }) {
            let visited = &levels.trajectory.levels()[..levels.trajectory.steps()];
            levels.trajectory = levels.trajectory.clone().with_mse(stored_mse(self.dir, visited)?)?;
        }
        Ok(SamplingJob {
            scheme: noising.scheme(self.scheme),
            levels,
            known: self.known,
            options: Options {
                threshold: self.threshold.unwrap_or(checkpoint.scheduler.threshold()),
                record: self.record,
                tolerance: self.tolerance,
            },
            noise: self.noise,
            num: self.num,
            batch_size: self.batch_size,
            model: Model::Images(self.model),
        })
    }
}

/// The stored mean-square error per component at each visited level.
fn stored_mse(dir: &Path, visited: &[Level]) -> Result<Vec<f64>> {
    let error = DenoisingError::read(dir)?;
    // The error on held-out images, where there are any.
    let split = if error.curve(Split::HeldOut).is_empty() { Split::Train } else { Split::HeldOut };
    visited
        .iter()
        .map(|level| {
            let mse = error.mse_at(split, level);
            ensure!(mse.is_some(), "{}: no error stored near {:?}", dir.display(), level.time());
            Ok(mse.unwrap_or_default() / error.dim as f64)
        })
        .collect()
}
