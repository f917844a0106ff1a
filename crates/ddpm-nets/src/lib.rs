//! ddpm-nets.
