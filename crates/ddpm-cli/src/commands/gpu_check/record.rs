//! What the check found, as JSON.

use super::collectives::Exchange;
use super::speed::{Peaks, Speed};
use serde::Serialize;
use std::collections::BTreeMap;

/// All figures of a check.
#[derive(Debug, Default, Serialize)]
pub(super) struct Record {
    pub(super) passed: bool,
    pub(super) device: String,
    /// The card's name, where the driver tells it.
    pub(super) gpu: Option<String>,
    pub(super) config: String,
    pub(super) versions: BTreeMap<String, String>,
    /// The preset's network on the GPU and on the CPU.
    pub(super) differences: Vec<Difference>,
    /// Ho et al.'s network on the GPU, and what PyTorch computed.
    pub(super) golden: Vec<Difference>,
    /// Whether a second evaluation gave the same bits.
    pub(super) repeats: bool,
    pub(super) peaks: Option<Peaks>,
    pub(super) speeds: BTreeMap<String, Speed>,
    pub(super) exchange: Option<Exchange>,
    pub(super) exchange_error: Option<String>,
}

/// A difference, relative to the largest value.
#[derive(Debug, Serialize)]
pub(super) struct Difference {
    pub(super) what: String,
    pub(super) from: String,
    pub(super) relative: f64,
    pub(super) allowed: f64,
}

impl Difference {
    /// A number that is not finite is no small difference.
    pub(super) fn is_allowed(&self) -> bool {
        self.relative <= self.allowed
    }
}
