//! What can stop an evaluation.

use ddpm_core::CoreError;
use ddpm_data::DataError;
use ddpm_nets::NetsError;
use ddpm_report::ReportError;
use ddpm_sample::SampleError;
use torch_ext::TorchError;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A setting of the `[eval]` section outside its range.
    #[error("eval.{key} must be {expected}, got {got}")]
    Config {
        /// The key.
        key: &'static str,
        /// The allowed range in words.
        expected: &'static str,
        /// The offending value.
        got: usize,
    },
    /// Things that belong together do not fit.
    #[error("{what}: expected {expected}, got {got}")]
    Mismatch {
        /// What does not fit.
        what: &'static str,
        /// What was expected.
        expected: String,
        /// What was given.
        got: String,
    },
    /// The denoiser answered with a number that is not finite.
    #[error(
        "the denoiser returned NaN or infinity at log-SNR {log_snr:.4}, image {image} of the {split} split"
    )]
    NotFinite {
        /// The noise level.
        log_snr: f64,
        /// The image's index in its split.
        image: usize,
        /// The split.
        split: ddpm_data::Split,
    },
    /// The progress callback asked to stop.
    #[error("the evaluation was interrupted")]
    Interrupted,
    /// A formula was used outside its domain.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// Images could not be had, or a file could not be written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The denoiser failed.
    #[error(transparent)]
    Nets(#[from] NetsError),
    /// A sampler's setting is outside its range.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// libtorch failed.
    #[error(transparent)]
    Torch(#[from] TorchError),
    /// A report could not be made.
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl EvalError {
    // By value, so that literals need no `&`.
    #[allow(clippy::needless_pass_by_value)]
    pub(crate) fn mismatch(what: &'static str, expected: impl ToString, got: impl ToString) -> EvalError {
        EvalError::Mismatch { what, expected: expected.to_string(), got: got.to_string() }
    }
}
