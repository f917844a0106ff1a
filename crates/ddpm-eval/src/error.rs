//! Errors of evaluations.

use ddpm_core::{CoreError, Mismatch};
use ddpm_data::DataError;
use ddpm_nets::NetsError;
use ddpm_report::ReportError;
use ddpm_sample::SampleError;
use std::fmt::Display;
use torch_ext::TorchError;

/// Why an evaluation has no result.
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
    /// A setting or an input that is not what it must be.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// The denoiser returned a non-finite number.
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
    /// Images could not be read, or a file could not be written.
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
    /// A feature extractor cannot be loaded, or does not take the images.
    #[error("{name}: {reason}")]
    Extractor {
        /// Its file or its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A report could not be made.
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl EvalError {
    pub(crate) fn extractor(name: impl Display, reason: impl Into<String>) -> EvalError {
        EvalError::Extractor { name: name.to_string(), reason: reason.into() }
    }

    pub(crate) fn mismatch(what: &'static str, expected: impl Display, got: impl Display) -> EvalError {
        Mismatch::new(what, expected, got).into()
    }
}
