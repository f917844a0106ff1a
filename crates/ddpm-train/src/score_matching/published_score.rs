//! Score networks that can be written as checkpoints.

use crate::TrainError;
use ddpm_core::NoisingConfig;
use ddpm_nets::checkpoint::{Checkpoint, Scheduler, VectorCheckpoint};
use ddpm_nets::{EpsilonScore, Mlp, NetsError, NoiseLevels, Parameters, ScoreNetwork};
use std::path::Path;
use tch::Tensor;
use torch_ext::TorchError;

/// A score network that can be written as a checkpoint.
pub trait PublishedScore: ScoreNetwork {
    /// Writes the network with `weights` (in the order of its parameters) as a pipeline directory into `dir`, which exists.
    fn publish(&self, dir: &Path, weights: &[Tensor]) -> Result<(), TrainError>;
}

/// A perceptron on vectors.
#[derive(Debug)]
pub struct VectorScore {
    /// The network.
    pub network: Mlp,
    /// The noising process of its data.
    pub noising: NoisingConfig,
}

/// A U-Net on images that predicts eps.
#[derive(Debug)]
pub struct ImageScore {
    /// The network.
    pub network: EpsilonScore,
    /// The noising process of its data.
    pub scheduler: Scheduler,
}

impl ScoreNetwork for VectorScore {
    fn parameters(&self) -> &Parameters {
        self.network.parameters()
    }

    fn check_rows(&self, x: &Tensor) -> Result<(), NetsError> {
        self.network.check_rows(x)
    }

    fn score(&self, x: &Tensor, levels: &NoiseLevels) -> Result<Tensor, TorchError> {
        self.network.score(x, levels)
    }
}

impl PublishedScore for VectorScore {
    fn publish(&self, dir: &Path, weights: &[Tensor]) -> Result<(), TrainError> {
        Ok(VectorCheckpoint::save(dir, &self.network, weights, &self.noising)?)
    }
}

impl ScoreNetwork for ImageScore {
    fn parameters(&self) -> &Parameters {
        self.network.parameters()
    }

    fn check_rows(&self, x: &Tensor) -> Result<(), NetsError> {
        self.network.check_rows(x)
    }

    fn score(&self, x: &Tensor, levels: &NoiseLevels) -> Result<Tensor, TorchError> {
        self.network.score(x, levels)
    }
}

impl PublishedScore for ImageScore {
    fn publish(&self, dir: &Path, weights: &[Tensor]) -> Result<(), TrainError> {
        Ok(Checkpoint::save(dir, &self.network.0, weights, &self.scheduler)?)
    }
}
