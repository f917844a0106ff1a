//! ddpm-eval.
