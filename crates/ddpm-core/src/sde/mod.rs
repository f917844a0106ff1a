//! Noising processes in continuous time, their rates, and the names of the usual ones.

mod interpolation;
mod process;
mod process_kind;
mod rates;

pub use process::{Interpolated, Process};
pub use process_kind::ProcessKind;
pub use rates::{DriftCoefficients, Rates};
