//! Score matching: objectives whose minimizer is the score s*(x) = grad log q(x), for laws q that are known or given by samples.
//!
//! | objective | loss of a sample x of q | source |
//! |---|---|---|
//! | [`explicit`] | \|s - s*\|^2 / 2 | Hyvarinen 2005, eq. 2 |
//! | [`implicit`] | \|s\|^2 / 2 + div s | Hyvarinen 2005, theorem 1 |
//! | [`sliced`] | (v . s)^2 / 2 + v . (grad s) v, v random | Song et al. 2019, eq. 8 |
//! | [`denoising`] | \|s(x_t) + eps/sigma\|^2 / 2 | Vincent 2011, eq. 9-11 |
//! | [`simple`] | \|eps + sigma s(x_t)\|^2 / d | Ho et al. 2020, eq. 14 |
//!
//! Where q vanishes at infinity the expectations of the first three differ by constants, and so does the fourth if q is the noised law. A loss
//! is a function of a field and of points [n, ...], vectors or images. [`ScoreMatching`] draws levels, noises data and returns the weighted
//! mean of the rows' losses to the trainer. Energy-based training uses a network whose score is a gradient; the SDEs of Song et al. 2021 draw
//! levels from a process in continuous time.

mod data_source;
mod denoising;
mod divergence;
mod explicit;
mod field;
mod implicit;
mod published_score;
mod score_objective;
mod simple;
mod sliced;
mod task;

pub use data_source::{Source, TargetSource};
pub use denoising::denoising;
pub use divergence::{exact_divergence, hutchinson_divergence};
pub use explicit::explicit;
pub use field::Field;
pub use implicit::{Divergence, implicit};
pub use published_score::{PublishedScore, VectorScore};
pub use score_objective::{DivergenceKind, LevelWeight, ScoreObjective};
pub use simple::simple;
pub use sliced::sliced;
pub use task::ScoreMatching;
