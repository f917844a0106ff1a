//! One file a task.

pub(crate) mod bench;
pub(crate) mod build;
pub(crate) mod doctor;
pub(crate) mod error_benchmark;
pub(crate) mod gpu_check;
pub(crate) mod lint;
pub(crate) mod reproduce;
pub(crate) mod run;
pub(crate) mod setup;
pub(crate) mod test;
mod test_python;
pub(crate) mod torture;
