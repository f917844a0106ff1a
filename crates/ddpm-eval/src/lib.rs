//! ddpm-eval.

pub mod report;
