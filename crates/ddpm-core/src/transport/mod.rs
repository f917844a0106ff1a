//! W2 between samples: exact in one dimension, sliced or entropic in more.
//!
//! ```text
//! one dimension   W2^2 = mean over i of (x_(i) - y_(i))^2, sorted; unequal sizes couple quantiles
//! sliced          W2^2 averaged over directions u on the sphere, of the projections x.u (Bonneel et al. 2015)
//! Sinkhorn        OT_e(x, y) - OT_e(x, x)/2 - OT_e(y, y)/2, OT_e the entropic cost for |x - y|^2 (Feydy et al. 2019)
//! ```
//!
//! Sliced W2 is not W2: in d dimensions a shift by m counts |m|/sqrt(d). All three are biased upwards by the finiteness of the samples, by
//! about the distance between two samples of one law: report that beside them.

mod cloud;
mod coupling;
mod sinkhorn;
mod sliced;

pub use cloud::Cloud;
pub use coupling::{Bootstrap, Coupling, SampleDistance};
pub use sinkhorn::Sinkhorn;
pub use sliced::sliced_w2;
