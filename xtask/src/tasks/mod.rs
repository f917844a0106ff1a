//! The tasks of `cargo xtask`.

pub(crate) mod bench;
pub(crate) mod build;
pub(crate) mod doctor;
pub(crate) mod launch;
pub(crate) mod lint;
pub(crate) mod product;
pub(crate) mod setup;
pub(crate) mod test;
mod test_python;
pub(crate) mod torture;
