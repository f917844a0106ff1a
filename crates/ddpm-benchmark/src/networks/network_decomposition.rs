//! The decomposition of a network at one number of steps: what is asked and what is kept of it.

use super::Recipe;
use crate::config::Config;
use crate::pipeline::own_threshold;
use crate::progress::Progress;
use crate::runtime::StopFlag;
use anyhow::{Context, Result};
use ddpm_core::decomposition::network::{
    Floor, Images, InitializationBracket, Memorization, TrainingErrorBracket, VarianceReport,
};
use ddpm_core::interval::Interval;
use ddpm_core::{Grid, Variance};
use ddpm_data::Dataset;
use ddpm_eval::decomposition::{Names, NetworkStudy, Thresholded};
use ddpm_eval::denoising::NetworkModel;
use ddpm_eval::{EvalConfig, Spectrum};
use ddpm_nets::checkpoint::Checkpoint;
use serde::{Deserialize, Serialize};
use tch::Device;

/// The spacing of the visited levels: both ends of the chain, as on the closed-form targets.
const GRID: Grid = Grid::Linspace;
/// The variance that the recipes train for.
const VARIANCE: Variance = Variance::FixedLarge;

/// Everything, besides weights and images, that a study depends on.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Work {
    steps: usize,
    grid: Grid,
    variance: Variance,
    flips: bool,
    eval: EvalConfig,
}

/// What is kept of a decomposition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Study {
    /// Levels visited.
    pub(crate) steps: usize,
    /// Components of an image.
    pub(crate) dim: usize,
    /// Images of each split that were measured.
    pub(crate) images: usize,
    /// The initialization term.
    pub(crate) initialization: InitializationBracket,
    /// The terms by what stands for the ideal denoiser.
    pub(crate) parts: Vec<PartsOf>,
    /// The population's training error.
    pub(crate) training: Option<TrainingErrorBracket>,
    /// What the network remembers of its images.
    pub(crate) memorization: Option<Memorization>,
    /// The variational bound on images that the network never saw, in bits per dimension.
    pub(crate) vlb_bits_per_dim: Option<Interval>,
    /// Discretization and training by variance.
    pub(crate) by_variance: Vec<VarianceReport>,
    /// Fewest steps at which discretization falls below training with the best variance.
    pub(crate) enough_steps: Option<usize>,
    /// Discretization with all levels and the best variance.
    pub(crate) discretization_of_all: f64,
}

/// The terms measured against one floor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartsOf {
    /// What stands for the ideal denoiser.
    pub(crate) floor: Floor,
    /// In nats.
    pub(crate) discretization: Interval,
    /// In nats.
    pub(crate) training: Interval,
    /// With the lower end of the initialization.
    pub(crate) total: Interval,
    /// Of the integral behind discretization.
    pub(crate) quadrature_error: f64,
}

impl Study {
    /// The terms against the exact denoiser of the training images.
    pub(crate) fn empirical(&self) -> Option<&PartsOf> {
        self.parts.iter().find(|parts| parts.floor == Floor::EmpiricalTraining)
    }
}

impl Work {
    pub(super) fn new(recipe: &Recipe, config: &Config, steps: usize) -> Self {
        let (flips, eval) = (config.train.horizontal_flips, recipe.eval.clone());
        Work { steps, grid: GRID, variance: VARIANCE, flips, eval }
    }

    pub(super) fn run(
        &self,
        checkpoint: &Checkpoint,
        data: &Dataset,
        spectrum: &Spectrum,
        device: Device,
        stop: &StopFlag,
    ) -> Result<Study> {
        let model = NetworkModel::from(checkpoint);
        let timesteps = self.grid.visit(&checkpoint.schedule, self.steps)?;
        let study = NetworkStudy {
            network: Thresholded { model: &model, threshold: own_threshold(&checkpoint.scheduler) },
            reference: None,
            schedule: &checkpoint.schedule,
            timesteps: &timesteps,
            grid: self.grid,
            variance: self.variance,
            flips: self.flips,
            by_class: checkpoint.network.config().num_class_embeds.is_some(),
        };
        let mut progress: Option<Progress> = None;
        let report = study.run(data, spectrum, &Names::default(), &self.eval, device, &mut |at| {
            progress
                .get_or_insert_with(|| Progress::new("decompose", "images", 0, at.total))
                .set(at.done, String::new);
            stop.flow()
        })?;
        if let Some(progress) = progress {
            progress.finish(&format!("{} steps", self.steps));
        }
        let network = report.network.context("a decomposition without its network")?;
        let held_out = network.bounds.iter().find(|bound| bound.images == Images::HeldOut);
        Ok(Study {
            steps: self.steps,
            dim: report.dim,
            images: network.measured.train_images,
            initialization: network.initialization,
            parts: network
                .floors
                .iter()
                .map(|floor| PartsOf {
                    floor: floor.floor,
                    discretization: floor.discretization_nats,
                    training: floor.training_nats,
                    total: floor.total_nats,
                    quadrature_error: floor.quadrature_error_nats,
                })
                .collect(),
            training: network.training,
            memorization: network.memorization,
            vlb_bits_per_dim: held_out.map(|bound| bound.vlb_bits_per_dim),
            by_variance: network.advice.by_variance.clone(),
            enough_steps: network.advice.enough_steps,
            discretization_of_all: network.advice.discretization_of_all_nats,
        })
    }
}
