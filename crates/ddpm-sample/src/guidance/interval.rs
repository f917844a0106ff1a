//! The noise levels at which guidance applies.

use ddpm_core::Level;

/// The noise levels at which guidance applies (Kynkäänniemi et al. 2024): sigma/alpha in `low..=high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Least sigma/alpha.
    pub low: f64,
    /// Greatest sigma/alpha.
    pub high: f64,
}

impl Interval {
    /// Guidance at every level.
    pub const ALL: Interval = Interval { low: 0.0, high: f64::INFINITY };

    /// Whether guidance applies at a level.
    pub fn contains(&self, level: &Level) -> bool {
        (self.low..=self.high).contains(&level.relative_sigma())
    }
}

impl Default for Interval {
    fn default() -> Self {
        Self::ALL
    }
}
