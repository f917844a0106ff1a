//! libtorch features that tch does not bind: run-time loading of CUDA, memory formats, autocast, fused optimizer kernels, groups of
//! processes, copies that are not waited for, and a boundary that turns libtorch's failures into errors.
//!
//! This is the only crate of the workspace with `unsafe`; each block says why it is sound.
#![deny(missing_docs)]

pub mod autocast;
pub mod determinism;
pub mod device;
pub mod dist;
mod error;
pub mod exit;
mod fence;
pub mod foreach;
pub mod memory;
pub mod memory_format;
mod shim;
pub mod signal;
pub mod tf32;
pub mod transfer;

pub use error::TorchError;
pub use fence::fence;
