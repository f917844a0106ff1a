//! Parts that several pages share.

pub(crate) mod classical_terms;
pub(crate) mod held_out_excess;
pub(crate) mod loss_curve;
mod picture;
pub(crate) mod training_neighbours;

pub use picture::Picture;

/// Label of the horizontal axis of plots over noise levels.
pub(crate) const SNR_AXIS: &str = "signal-to-noise ratio (more noise to the left)";
