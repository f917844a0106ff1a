//! Readers of the file formats in which datasets are distributed.

pub(crate) mod cifar;
mod convert;
pub(crate) mod fashion;
pub(crate) mod folder;
pub(crate) mod gzip;
pub(crate) mod idx;
pub(crate) mod image_file;
mod jpeg;
pub(crate) mod regular_file;
pub(crate) mod split_folders;
mod tiff;
mod whole;
