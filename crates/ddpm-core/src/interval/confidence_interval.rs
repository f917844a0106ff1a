//! An estimate with its confidence interval.

use serde::{Deserialize, Serialize};

/// The confidence of every interval in a report.
pub const CONFIDENCE: f64 = 0.95;

/// The quantile of the standard normal law at 0.975: half the width of a [`CONFIDENCE`] interval, in standard errors.
pub const NORMAL_QUANTILE: f64 = 1.959_963_984_540_054;

/// An estimate with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// The interval of half width `half` around an estimate.
    pub fn around(value: f64, half: f64) -> Self {
        Interval { value, low: value - half, high: value + half }
    }

    /// The 95 % interval of an estimate whose error is normal with this standard deviation.
    pub fn normal(value: f64, stderr: f64) -> Self {
        Interval::around(value, NORMAL_QUANTILE * stderr)
    }

    /// [low, high], as JSON has it.
    pub fn ends(&self) -> [f64; 2] {
        [self.low, self.high]
    }

    /// Whether a number is inside the interval.
    pub fn contains(&self, number: f64) -> bool {
        (self.low..=self.high).contains(&number)
    }

    /// The interval of `number` plus `factor` times the quantity.
    pub fn scaled(&self, factor: f64, number: f64) -> Self {
        let (a, b) = (number + factor * self.low, number + factor * self.high);
        Interval { value: number + factor * self.value, low: a.min(b), high: a.max(b) }
    }
}
