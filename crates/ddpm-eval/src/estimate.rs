//! Confidence as reports write it; the intervals themselves are [`ddpm_core::interval`].

pub use ddpm_core::interval::{CONFIDENCE, Difference, Estimate};

/// [`CONFIDENCE`] as reports write it.
pub(crate) fn confidence_in_words() -> String {
    format!("{:.0}\u{202f}%", 100.0 * CONFIDENCE)
}
