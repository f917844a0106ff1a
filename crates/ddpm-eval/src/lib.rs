//! Evaluation of trained networks and of samplers on closed-form targets. The results are types of [`ddpm_report`], which shows them.
//!
//! A trained network ([`NetworkStudy`]) is measured once: E|x_0 - D(x_t)|^2 at a choice of noise levels, on held-out and on training images,
//! for the network, the empirical (memorizing) denoiser and a reference network ([`measurement`]). Everything else follows from that
//! measurement:
//!
//! - [`denoising_error`]: the curve that a checkpoint keeps, to which the analytic variance is fitted;
//! - [`classical_terms`]: initialization, training and discretization as the literature states them;
//! - [`decompose`]: how much of the error is initialization, discretization and training, in nats.
//!
//! Closed-form targets:
//!
//! - [`sampled_w2`]: W2 between a sampler's samples and the target, with one error on at a time;
//! - [`target_study`]: everything that the decomposition page of a target shows;
//! - [`score`]: a learned score against the exact one.
//!
//! Data under a model: [`likelihood`], in nats and bits a component.
//!
//! Sets of images: [`extractor`] maps them to features, [`sample_metrics`] compares the features.
//!
//! Evaluation depends on [`ddpm_nets::Denoiser`]s and images, not on training loops or command lines.
#![deny(missing_docs)]

mod classical;
mod decomposition;
mod denoising_error;
mod error;
mod eval_config;
pub mod extractor;
mod ideal_gap;
pub mod likelihood;
pub mod measurement;
mod network_study;
pub mod own_path;
pub mod sample_metrics;
mod sample_split;
pub mod sampled_w2;
pub mod score;
mod shared;
mod spectrum;
mod step_costs;
pub mod target_study;

pub use classical::classical_terms;
pub use decomposition::decompose;
pub use denoising_error::denoising_error;
pub use error::EvalError;
pub use eval_config::EvalConfig;
pub use ideal_gap::{Gap, IdealGap};
pub use network_study::{MeasuredErrors, NetworkStudy, Progress, StudyNames, StudySettings, VarianceFit};
pub use sample_split::{SplitDistances, SplitSets};
pub use spectrum::Spectrum;
pub use step_costs::{StepAverages, StepCosts};
