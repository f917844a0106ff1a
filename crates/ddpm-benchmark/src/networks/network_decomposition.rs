//! The error decomposition of a trained network at one number of steps: its inputs, and what the benchmark keeps of it.

use super::training_recipe::TrainingRecipe;
use crate::monitor::{Monitor, Stopped};
use anyhow::{Context, Result};
use ddpm_core::interval::Interval;
use ddpm_core::{Grid, Variance};
use ddpm_data::Dataset;
use ddpm_eval::{EvalConfig, EvalError, NetworkStudy, Spectrum, StudyNames, StudySettings, decompose};
use ddpm_nets::checkpoint::Checkpoint;
use ddpm_report::results::{
    Floor, Images, InitializationBracket, Memorization, TrainingErrorBracket, VarianceReport,
};
use serde::{Deserialize, Serialize};
use tch::Device;

/// The grid of the visited levels: both ends of the schedule, as on the closed-form targets.
const GRID: Grid = Grid::Linspace;
/// The variance that the recipes train for.
const VARIANCE: Variance = Variance::FixedLarge;

/// Everything, besides weights and images, that the decomposition depends on.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Measurement {
    steps: usize,
    grid: Grid,
    variance: Variance,
    flips: bool,
    eval: EvalConfig,
}

/// What is kept of a decomposition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NetworkTerms {
    /// Levels visited.
    pub(crate) steps: usize,
    /// Components of an image.
    pub(crate) dim: usize,
    /// Images of each split that were measured.
    pub(crate) images: usize,
    /// The initialization term.
    pub(crate) initialization: InitializationBracket,
    /// The terms by floor: the denoiser that stands for the ideal one.
    pub(crate) parts: Vec<FloorTerms>,
    /// The population's training error.
    pub(crate) training: Option<TrainingErrorBracket>,
    /// Memorization of the training images.
    pub(crate) memorization: Option<Memorization>,
    /// The variational bound on held-out images, in bits per dimension.
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
pub(crate) struct FloorTerms {
    /// The denoiser that stands for the ideal one.
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

impl NetworkTerms {
    /// The terms against the exact denoiser of the training images.
    pub(crate) fn empirical(&self) -> Option<&FloorTerms> {
        self.parts.iter().find(|parts| parts.floor == Floor::EmpiricalTraining)
    }
}

impl Measurement {
    pub(super) fn new(recipe: &TrainingRecipe, steps: usize) -> Self {
        let (flips, eval) = (recipe.flips(), recipe.eval.clone());
        Measurement { steps, grid: GRID, variance: VARIANCE, flips, eval }
    }

    pub(super) fn run(
        &self,
        checkpoint: &Checkpoint,
        data: &Dataset,
        spectrum: &Spectrum,
        device: Device,
        monitor: &dyn Monitor,
    ) -> Result<NetworkTerms> {
        let settings = StudySettings {
            grid: Some(self.grid),
            chosen: None,
            steps: self.steps,
            variance: Some(self.variance),
            flips: self.flips,
        };
        let study = NetworkStudy::of(checkpoint, &settings, StudyNames::default())?;
        self.terms(&study, data, spectrum, device, monitor)
    }

    /// The decomposition of a study with these settings.
    fn terms(
        &self,
        study: &NetworkStudy<'_>,
        data: &Dataset,
        spectrum: &Spectrum,
        device: Device,
        monitor: &dyn Monitor,
    ) -> Result<NetworkTerms> {
        let mut begun = false;
        let measured = study.measure(data, &self.eval, device, &mut |at| {
            if !std::mem::replace(&mut begun, true) {
                monitor.begin("decompose", "images", 0, at.total);
            }
            monitor.advance(at.done, "");
            monitor.flow()
        });
        let measured = match measured {
            Err(EvalError::Interrupted) => return Err(Stopped::Measurement.into()),
            other => other?,
        };
        if begun {
            monitor.end(&format!("{} steps", self.steps));
        }
        let report = decompose(study, &measured, spectrum)?;
        let network = report.network.context("a decomposition without its network")?;
        let held_out = network.bounds.iter().find(|bound| bound.images == Images::HeldOut);
        Ok(NetworkTerms {
            steps: self.steps,
            dim: report.dim,
            images: network.measured.train_images,
            initialization: network.initialization,
            parts: network
                .floors
                .iter()
                .map(|floor| FloorTerms {
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
pub(crate) mod golden {
    //! The decomposition of a denoiser that needs no training, D(x_t) = x_t / 2, by the engine that measures networks.

    use super::*;
    use ddpm_core::{Level, PredictionKind, Schedule};
    use ddpm_eval::measurement::{ThresholdedDenoiser, Unconditional};
    use ddpm_nets::{Denoiser, NetsError, Prediction, Threshold};
    use tch::Tensor;

    struct Silent;

    impl Monitor for Silent {
        fn begin(&self, _stage: &'static str, _unit: &'static str, _done: u64, _total: u64) {}
        fn advance(&self, _done: u64, _note: &str) {}
        fn end(&self, _summary: &str) {}
        fn message(&self, _text: &str) {}
        fn stop_requested(&self) -> bool {
            false
        }
    }

    struct Half;

    impl Denoiser for Half {
        fn predict(&self, x_t: &Tensor, _level: &Level) -> Result<Prediction, NetsError> {
            Ok(Prediction { kind: PredictionKind::X0, value: x_t * 0.5, variance_output: None })
        }
    }

    /// Its terms on some images of a data set.
    pub(crate) fn terms(data: &Dataset) -> NetworkTerms {
        let eval = EvalConfig { levels: 10, max_images: 24, batch_size: 8, ..EvalConfig::default() };
        let measurement = Measurement { steps: 20, grid: GRID, variance: VARIANCE, flips: false, eval };
        let schedule = Schedule::linear(100).unwrap();
        let study = NetworkStudy {
            network: ThresholdedDenoiser::new(Unconditional(&Half), Threshold::UNIT),
            reference: None,
            timesteps: GRID.visit(&schedule, measurement.steps).unwrap(),
            schedule,
            grid: GRID,
            chosen: false,
            variance: VARIANCE,
            replaced_variance: None,
            flips: false,
            by_class: false,
            names: StudyNames::default(),
            workers: Default::default(),
        };
        let spectrum = Spectrum::of_images(&data.train).unwrap();
        measurement.terms(&study, data, &spectrum, Device::Cpu, &Silent).unwrap()
    }
}
