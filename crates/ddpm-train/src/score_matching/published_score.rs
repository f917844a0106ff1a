//! Score networks that can be written as checkpoints.

use crate::TrainError;
use ddpm_core::NoisingConfig;
use ddpm_nets::checkpoint::VectorCheckpoint;
use ddpm_nets::{Mlp, ScoreNetwork};
use std::path::Path;
use tch::Tensor;

/// A score network that can be written as a checkpoint.
pub trait PublishedScore {
    /// The network.
    fn network(&self) -> &dyn ScoreNetwork;

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
    /// Its data were divided by this.
    pub data_scale: f64,
}

impl PublishedScore for VectorScore {
    fn network(&self) -> &dyn ScoreNetwork {
        &self.network
    }

    fn publish(&self, dir: &Path, weights: &[Tensor]) -> Result<(), TrainError> {
        Ok(VectorCheckpoint::save(dir, &self.network, weights, &self.noising, self.data_scale)?)
    }
}
