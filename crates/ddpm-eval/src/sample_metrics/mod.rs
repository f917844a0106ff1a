//! Distances between two sets of images by their features.
//!
//! - [`frechet_distance`]: the Fréchet distance of Gaussians with the sets' moments (Heusel et al. 2017), with intervals over images;
//! - [`kernel_distance`]: the unbiased squared maximum mean discrepancy with a cubic kernel (Bińkowski et al. 2018, KID);
//! - [`manifold_metrics`]: precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020);
//! - [`inception_score`]: Salimans et al. 2016;
//! - [`nearest`]: nearest images of another set, for memorization.
//!
//! All arithmetic is in f64 on the CPU.

mod frechet;
mod grouped;
mod groups;
mod inception_score;
mod kernel_distance;
mod manifold;
mod measured;
mod memorization;
mod moments;
mod neighbours;

pub(crate) use frechet::is_jackknifed;
pub use frechet::{FrechetDistance, frechet_deletions, frechet_distance};
pub use grouped::{Deletions, Grouped};
pub use groups::halves;
pub use inception_score::inception_score;
pub use kernel_distance::{kernel_deletions, kernel_distance};
pub use manifold::{ManifoldMetrics, manifold_metrics};
pub use measured::{GROUPS, Measured};
pub use memorization::memorization;
pub use moments::FeatureMoments;
pub use neighbours::nearest;
