//! What is measured on the images of one split.

use super::ErrorTable;
use ddpm_data::Split;

/// Errors of the images of one split at the measured levels.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitErrors {
    /// The split.
    pub split: Split,
    /// Where each image stands in its set.
    pub indices: Vec<usize>,
    /// |x_0 - D|^2 of the network. On training images whose empirical denoiser was measured, without [`EmpiricalErrors::cross`].
    pub network: ErrorTable,
    /// |eps - eps_theta|^2 / d of the network, not thresholded.
    pub epsilon: ErrorTable,
    /// Errors of the empirical denoiser, if it was measured.
    pub empirical: Option<EmpiricalErrors>,
    /// |x_0 - D_ref|^2 of the reference network, if there is one.
    pub reference: Option<ErrorTable>,
    /// |x_0|^2 of each image.
    pub squared_norms: Vec<f64>,
    /// Code length of each image under the decoder in nats, L_0; empty if no decoder was asked for.
    pub code_lengths: Vec<f64>,
}

/// Errors of the empirical denoiser D_emp, and the network's distance to it:
///
/// ```text
/// |x_0 - D|^2 = |x_0 - D_emp|^2 + |D - D_emp|^2 + 2 (x_0 - D_emp) . (D_emp - D)
/// ```
///
/// On training images D_emp is the conditional mean of x_0, so that the last term, the cross term, has mean 0 and is noise. The error of the
/// network is therefore estimated without it: it is the irreducible part plus the gap, exactly, and never below the irreducible part.
#[derive(Clone, Debug, PartialEq)]
pub struct EmpiricalErrors {
    /// |x_0 - D_emp|^2.
    pub error: ErrorTable,
    /// |D - D_emp|^2.
    pub gap: ErrorTable,
    /// The cross term.
    pub cross: ErrorTable,
}

impl EmpiricalErrors {
    pub(super) fn new(network: &ErrorTable, error: ErrorTable, gap: ErrorTable) -> Self {
        let cross = network
            .map(|image, level| network.row(image)[level] - error.row(image)[level] - gap.row(image)[level]);
        EmpiricalErrors { error, gap, cross }
    }

    /// The error of the network without the cross term.
    pub(super) fn network(&self) -> ErrorTable {
        self.error.map(|image, level| self.error.row(image)[level] + self.gap.row(image)[level])
    }

    fn select(&self, keep: impl Fn(usize) -> bool) -> Self {
        let [error, gap, cross] = [&self.error, &self.gap, &self.cross].map(|table| table.select(&keep));
        EmpiricalErrors { error, gap, cross }
    }
}

impl SplitErrors {
    /// The images for which `keep` holds, by their row.
    pub fn select(&self, keep: impl Fn(usize) -> bool) -> Self {
        fn some<T: Copy>(values: &[T], keep: impl Fn(usize) -> bool) -> Vec<T> {
            values.iter().enumerate().filter(|(image, _)| keep(*image)).map(|(_, value)| *value).collect()
        }
        SplitErrors {
            split: self.split,
            indices: some(&self.indices, &keep),
            network: self.network.select(&keep),
            epsilon: self.epsilon.select(&keep),
            empirical: self.empirical.as_ref().map(|errors| errors.select(&keep)),
            reference: self.reference.as_ref().map(|table| table.select(&keep)),
            squared_norms: some(&self.squared_norms, &keep),
            code_lengths: some(&self.code_lengths, &keep),
        }
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.indices.len()
    }
}
