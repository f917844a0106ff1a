//! A look at a model in the middle of its run: what is due, and what was seen.

use serde::{Deserialize, Serialize};

/// What is due after a step, by `train.sample_every` and `train.validate_every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// A picture of samples.
    pub samples: bool,
    /// The loss on held-out images.
    pub validation: bool,
}

impl Due {
    /// Whether there is anything to do.
    pub fn any(self) -> bool {
        self.samples || self.validation
    }
}

/// What a look brought.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Samples.
    pub picture: Option<Picture>,
    /// The loss on held-out images.
    pub validation: Option<Validation>,
}

/// An encoded picture.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Columns of pixels.
    pub width: u32,
    /// Rows of pixels.
    pub height: u32,
    /// 1 grey, 3 RGB.
    pub channels: u32,
    /// The bytes of the PNG file.
    pub png: Vec<u8>,
}

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
    /// The level as the network knows it: the 0-based timestep of a discrete schedule.
    pub t: f64,
    /// The mean squared error of the predicted noise there.
    pub loss: f64,
}

impl Validation {
    /// Losses of levels that stand for equal parts of all levels.
    pub fn new(levels: Vec<LevelLoss>) -> Self {
        let loss = levels.iter().map(|level| level.loss).sum::<f64>() / levels.len().max(1) as f64;
        Validation { loss, levels }
    }
}
