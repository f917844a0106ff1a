//! How a likelihood is found.

use crate::EvalError;
use ddpm_sample::Tolerance;

/// How a likelihood is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// By the probability-flow ODE.
    Ode {
        /// The errors allowed in a step.
        tolerance: Tolerance,
        /// Random probes of the trace; none for exact traces, which take a backward pass for each component.
        probes: Option<u64>,
    },
    /// The variational bound of the ancestral sampler that visits all training levels.
    Bound,
}

impl Method {
    /// `ode` or `vlb`.
    pub fn name(&self) -> &'static str {
        match self {
            Method::Ode { .. } => "ode",
            Method::Bound => "vlb",
        }
    }
}

/// Is told which share of the work is done, and may end it with an error.
pub type LikelihoodProgress<'a> = dyn FnMut(f64) -> Result<(), EvalError> + 'a;
