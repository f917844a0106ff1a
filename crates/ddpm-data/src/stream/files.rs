//! Images as single files, in the layouts of [`crate::format::folder`].

use std::path::Path;

use super::source::{ImageSource, check_read};
use crate::error::Result;
use crate::format::folder::{Expected, Files, find};
use crate::format::image_file::decode_file;
use crate::image_set::ImageShape;

/// The files of one split.
#[derive(Debug)]
pub(super) struct ImageFiles {
    files: Files,
    shape: ImageShape,
}

/// The files below `root`: training and held-out images.
pub(super) fn open(root: &Path) -> Result<(ImageFiles, Option<ImageFiles>)> {
    let found = find(root, Expected::default())?;
    let shape = found.shape;
    let source = |files| ImageFiles { files, shape };
    Ok((source(found.train), found.held_out.map(source)))
}

impl ImageSource for ImageFiles {
    fn len(&self) -> usize {
        self.files.paths.len()
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn labels(&self) -> Option<&[i64]> {
        self.files.labels.as_deref()
    }

    fn class_names(&self) -> &[String] {
        &self.files.class_names
    }

    fn read(&self, index: usize, planes: &mut [u8]) -> Result<()> {
        check_read(self, index, planes)?;
        decode_file(&self.files.paths[index], self.shape, planes)
    }
}
