//! Numbers of samples and resamples behind an estimated distance.

/// Numbers of samples, resamples, directions and steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effort {
    /// Samples on each side.
    pub samples: usize,
    /// Resamples of the bootstrap.
    pub resamples: usize,
    /// Random directions in more than one dimension.
    pub directions: usize,
    /// Steps that stand for infinitely many.
    pub fine_steps: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Effort { samples: 10_000, resamples: 200, directions: 64, fine_steps: 300 }
    }
}
