//! ddpm-sample.
