//! ddpm-data.
