//! The file layouts that datasets come in.

pub(crate) mod cifar;
pub(crate) mod fashion;
pub(crate) mod folder;
pub(crate) mod idx;
