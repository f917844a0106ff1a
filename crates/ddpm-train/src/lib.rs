//! Training: objectives, the optimizer, averaged weights, exact resume, and the files of a run.
//!
//! [`Trainer`] runs a [`Trainable`] model from its first to its last step. Progress bars, sample grids and
//! signals are [`TrainingCallbacks`] of the caller; this crate knows nothing of samplers, reports or command lines.
//!
//! All randomness derives from (seed, step, global sample index, purpose), so resuming needs no generator state and is exact.
#![deny(missing_docs)]

mod agreement;
mod callbacks;
mod checkpoint_manifest;
mod classification;
mod diffusion;
mod ema;
mod error;
mod metrics;
mod nonfinite;
mod objective;
mod optimizer;
mod records;
mod retention;
mod run_dir;
mod run_files;
pub mod score_matching;
mod step;
pub mod tensorboard;
mod train_config;
mod trainable;
mod trainer;
mod training_images;
mod training_state;
mod validation;

pub use callbacks::{EvaluationRequest, EvaluationResult, Picture, TrainingCallbacks};
pub use checkpoint_manifest::verify_published;
pub use classification::ImageClassification;
pub use diffusion::{ImageDiffusion, check_images};
pub use ema::{AverageConfig, Averages, Ema, EmaConfig, MAIN_AVERAGE};
pub use error::TrainError;
pub use metrics::{Metrics, read_metrics};
pub use nonfinite::{NonFiniteStep, WorstSample};
pub use objective::{
    DrawnLevel, LossConfig, NetworkOutput, Objective, ObjectiveConfig, TimeSampler, TimesConfig,
    TrainingBatch,
};
pub use optimizer::{Adam, clip_global_norm};
pub use run_dir::{BestCheckpoint, RunDir};
pub use step::StepOutcome;
pub use train_config::{Decay, Optimizer, Precision, TrainConfig};
pub use trainable::Trainable;
pub use trainer::{Outcome, Trainer};
pub use training_images::{DeviceImages, ImageBatch, TrainingImages};
pub use training_state::TrainingState;
pub use validation::{LevelLoss, Validation};
