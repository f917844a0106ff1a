//! Training: the objective, the optimizer, averaged weights, exact resume, and the files a run leaves behind.
//!
//! [`Trainer`] owns one run of a [`Trainable`] model from its first to its last step. What happens around it (progress bars, sample grids, signals) is an
//! [`Observer`] that the caller hands in; this crate knows nothing of samplers, reports or command lines.
//!
//! All randomness derives from (seed, step, global sample index, purpose), so resuming needs no generator state and is exact.
#![deny(missing_docs)]

mod batches;
mod classification;
mod config;
mod diffusion;
mod ema;
mod error;
mod health;
mod look;
mod manifest;
mod metrics;
mod objective;
mod optimizer;
mod records;
mod run;
pub mod score_matching;
mod state;
mod step;
pub mod tensorboard;
mod trainable;
mod trainer;

pub use batches::{DeviceImages, ImageBatch, TrainingImages};
pub use classification::ImageClassification;
pub use config::{AverageConfig, Decay, EmaConfig, MAIN_AVERAGE, Optimizer, Precision, TrainConfig};
pub use diffusion::ImageDiffusion;
pub use ema::{Averages, Ema};
pub use error::TrainError;
pub use health::{Illness, WorstSample};
pub use look::{Due, Findings, LevelLoss, Picture, Validation};
pub use manifest::verify_published;
pub use metrics::{Metrics, read_metrics};
pub use objective::{
    DrawnLevel, LossConfig, Objective, ObjectiveConfig, TimeSampler, TimesConfig, TrainingBatch,
};
pub use optimizer::{Adam, clip_global_norm};
pub use run::RunDir;
pub use state::TrainingState;
pub use step::StepOutcome;
pub use trainable::Trainable;
pub use trainer::{Observer, Outcome, Trainer};
