//! ddpm-train.
