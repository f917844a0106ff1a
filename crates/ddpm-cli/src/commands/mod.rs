//! The subcommands: the command-line arguments of each, and what it does.

pub(crate) mod config;
pub(crate) mod data;
pub(crate) mod decompose;
pub(crate) mod denoise;
pub(crate) mod devices;
pub(crate) mod error_benchmark;
pub(crate) mod eval;
pub(crate) mod gpu_check;
pub(crate) mod noise;
pub(crate) mod reproduce;
mod run_options;
pub(crate) mod sample;
pub(crate) mod schedule;
pub(crate) mod train;
