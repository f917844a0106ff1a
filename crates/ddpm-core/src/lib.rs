//! ddpm-core.
