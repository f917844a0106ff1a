//! The loss on held-out images, by noise level.

use serde::{Deserialize, Serialize};

/// The loss on held-out images: the mean squared error of the predicted noise, a component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// The mean over the levels.
    pub loss: f64,
    /// Level by level.
    pub levels: Vec<LevelLoss>,
}

/// The loss at one noise level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelLoss {
    /// The level as the network is told it: the 0-based timestep of a discrete schedule.
    pub t: f64,
    /// The mean squared error of the predicted noise there.
    pub loss: f64,
}

impl Validation {
    /// From the losses at levels that stand for equal parts of all training levels.
    pub fn new(levels: Vec<LevelLoss>) -> Self {
        let loss = levels.iter().map(|level| level.loss).sum::<f64>() / levels.len().max(1) as f64;
        Validation { loss, levels }
    }
}
