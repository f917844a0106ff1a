//! A folder with a PNG of each image.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::store::Store;
use crate::atomic;
use crate::error::Result;
use crate::image_set::ImageShape;
use crate::picture::{Picture, png_name};

/// `000000.png` and so on.
pub(super) struct PngFiles {
    folder: PathBuf,
    shape: ImageShape,
}

impl PngFiles {
    pub(super) fn new(folder: &Path, shape: ImageShape) -> Self {
        PngFiles { folder: folder.to_path_buf(), shape }
    }

    fn path(&self, index: u64) -> PathBuf {
        self.folder.join(png_name(index))
    }
}

/// Whether a file of the folder is one of these.
pub(super) fn is_name(name: &str) -> bool {
    let number = name.strip_suffix(".png").unwrap_or("");
    number.len() >= 6 && number.bytes().all(|byte| byte.is_ascii_digit())
}

impl Store for PngFiles {
    fn kept(&self, finished: u64) -> Result<u64> {
        Ok((0..finished).find(|&index| !self.path(index).is_file()).unwrap_or(finished))
    }

    fn resume(&mut self, _: u64) -> Result<()> {
        Ok(())
    }

    fn append(&mut self, first: u64, bytes: &[u8]) -> Result<()> {
        bytes.par_chunks_exact(self.shape.dimension()).enumerate().try_for_each(|(k, planes)| {
            let png = Picture::from_planes(planes, self.shape)?.encode_png()?;
            atomic::place(&self.path(first + k as u64), |file| file.write_all(&png))
        })?;
        // Once for all of them.
        atomic::sync_folder(&self.folder)
    }
}
