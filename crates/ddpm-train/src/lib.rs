//! ddpm-train.

pub mod tensorboard;
