//! Estimates with standard errors: [`ddpm_core::interval`].

pub use ddpm_core::interval::{CONFIDENCE, Difference, Estimate};
