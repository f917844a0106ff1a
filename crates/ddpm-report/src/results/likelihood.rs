//! Negative log likelihoods, as JSON.

use super::format::Format;
use serde::{Deserialize, Serialize};

/// The mean negative log likelihood of a set of data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Likelihood {
    /// Version of the format.
    #[serde(default)]
    pub format: Format<1>,
    /// `nll`.
    pub metric: String,
    /// `ode`: by the probability-flow ODE, of images with uniform dequantization. `vlb`: the variational bound, which is at least as large as
    /// the negative log likelihood of the ancestral sampler.
    pub method: String,
    /// Nats a datum: of images the code length of their grey levels, of vectors minus the log density in their own units.
    pub nats: f64,
    /// `nats` over the number of components, in bits.
    pub bits_per_dim: f64,
    /// 95 % interval of `nats` over the data (Student's t), the probes' variance included.
    pub interval: [f64; 2],
    /// The same of `bits_per_dim`.
    pub bits_interval: [f64; 2],
    /// Number of data.
    pub n: u64,
    /// Standard error of `nats` from the random probes alone: 0 for exact traces and for the bound, absent for a single probe.
    pub probe_stderr: Option<f64>,
    /// Components of a datum.
    pub dim: u64,
    /// Probes of the trace; 0 for exact traces and for the bound.
    pub probes: u64,
    /// Nats of L_T, of the steps between, and of the decoder L_0; for the bound alone.
    pub parts: Option<BoundParts>,
    /// The model: a checkpoint or a target.
    pub model: String,
    /// The data.
    pub data: String,
}

/// The parts of a variational bound in nats a datum, which add up to it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoundParts {
    /// L_T.
    pub prior: f64,
    /// L_1 to L_{T-1}.
    pub denoising: f64,
    /// L_0.
    pub decoder: f64,
}
