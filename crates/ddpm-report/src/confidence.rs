//! The one convention for uncertainty: every ±, interval, band and error bar is a 95 % confidence interval.

use ddpm_core::interval::{CONFIDENCE, Interval};

/// What a page or a terminal says where it shows intervals.
pub(crate) const CONVENTION: &str =
    "All ±, intervals, bands and error bars are 95\u{202f}% confidence intervals.";

/// [`CONFIDENCE`] in per cent.
pub(crate) fn confidence_in_words() -> String {
    format!("{:.0}\u{202f}%", 100.0 * CONFIDENCE)
}

/// The interval of a mean over many independent samples with this standard error; without width where the standard error is unknown.
pub(crate) fn interval_of(value: f64, stderr: f64) -> Interval {
    Interval::normal(value, if stderr.is_finite() { stderr } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_convention_is_the_confidence_of_the_intervals() {
        assert!(CONVENTION.contains(&confidence_in_words()));
        let Interval { low, high, .. } = interval_of(1.0, 0.5);
        assert!((high - low - 2.0 * 1.96 * 0.5).abs() < 1e-4);
    }
}
