//! The confidence level of intervals, as pages write it.

use ddpm_core::interval::CONFIDENCE;

/// [`CONFIDENCE`] in per cent.
pub(crate) fn confidence_in_words() -> String {
    format!("{:.0}\u{202f}%", 100.0 * CONFIDENCE)
}
