//! Errors of sampling.

use ddpm_core::{CoreError, Level, Mismatch, Time};
use ddpm_nets::NetsError;
use torch_ext::TorchError;

/// Why no samples came out.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// The denoiser answered with a number that is not finite.
    #[error("the denoiser returned NaN or infinity at {level}")]
    NotFinite {
        /// The level at which it did.
        level: String,
    },
    /// The last step led to numbers that are not finite.
    #[error("the samples hold NaN or infinity after the step to {level}; take more steps or another sampler")]
    Diverged {
        /// The level that was reached.
        level: String,
    },
    /// Noise of the wrong shape, or too little of it.
    #[error("noise {0}")]
    Noise(Mismatch),
    /// The variance was to come from the network, which has none.
    #[error(
        "a learned variance needs a network with twice the output channels; this denoiser predicts no variance"
    )]
    NoLearnedVariance,
    /// An adaptive step shrank to nothing.
    #[error("{what} cannot meet its tolerance at {level}; raise rtol and atol")]
    Tolerance {
        /// The sampler, or what else is integrated.
        what: &'static str,
        /// The level at which it gave up.
        level: String,
    },
    /// A setting outside its range.
    #[error("{} must be {}, got {}", .0.what, .0.expected, .0.got)]
    Setting(Mismatch),
    /// The progress callback asked to stop.
    #[error("sampling was interrupted after {steps} steps")]
    Interrupted {
        /// Steps that were complete.
        steps: usize,
    },
    /// A formula was used outside its domain.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// The denoiser failed.
    #[error(transparent)]
    Nets(#[from] NetsError),
    /// libtorch failed.
    #[error(transparent)]
    Torch(#[from] TorchError),
}

impl SampleError {
    pub(crate) fn noise(
        what: &'static str,
        expected: impl std::fmt::Display,
        got: impl std::fmt::Display,
    ) -> Self {
        SampleError::Noise(Mismatch::new(what, expected, got))
    }
}

/// A level in words: its time coordinate as the user knows it, and its log-SNR.
pub(crate) fn describe(level: &Level) -> String {
    let time = match level.time() {
        Time::Clean => "data (no noise)".to_string(),
        Time::Index(t) => format!("timestep {}", t.0),
        Time::FractionalIndex(t) => format!("timestep {t:.3}"),
        Time::Continuous(t) => format!("time {t:.6}"),
        Time::Sigma(sigma) => format!("sigma {sigma:.6}"),
    };
    format!("{time} (log-SNR {:.4})", level.log_snr())
}
