//! Images as encoded files, each of which is decoded when it is asked for.

use std::fmt::Debug;
use std::path::PathBuf;

use rayon::prelude::*;

use super::source::{ImageSource, check_read};
use crate::error::{DataError, Result};
use crate::fingerprint::Fingerprint;
use crate::format::image_file::{Decoding, Header, decode};
use crate::image_options::OnError;
use crate::image_set::ImageShape;
use crate::unread::Unread;

/// The bytes of images in some container, by index.
pub(super) trait EncodedImages: Debug + Send + Sync {
    /// The file, or the shard and the member, for messages.
    fn place(&self, index: usize) -> PathBuf;

    /// The bytes of the image's file.
    fn bytes(&self, index: usize) -> Result<Vec<u8>>;

    /// The header of the image's file.
    fn header(&self, index: usize) -> Result<Header>;

    /// Keeps the images for which `kept` is true.
    fn retain(&mut self, kept: &[bool]);
}

/// The images of one split, as they are listed, before their headers are read.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) images: Box<dyn EncodedImages>,
    /// The name below the folder of the split and the size in bytes of each.
    pub(super) files: Vec<(String, u64)>,
    pub(super) labels: Option<Vec<i64>>,
    pub(super) class_names: Vec<String>,
}

impl Listed {
    /// The headers of all images. One that cannot be read is an error, or left out if `on_error` says so.
    pub(super) fn headers(&mut self, on_error: OnError, unread: &mut Unread) -> Result<Vec<Header>> {
        let headers = (0..self.files.len()).into_par_iter().map(|k| self.images.header(k)).collect();
        self.keep_readable(headers, on_error, unread)
    }

    /// Decodes every image once, and leaves out those that cannot be decoded.
    pub(super) fn skip_undecodable(&mut self, decoding: &Decoding, unread: &mut Unread) -> Result<()> {
        let dimension = decoding.shape.dimension();
        let decoded = (0..self.files.len())
            .into_par_iter()
            .map_init(
                || vec![0; dimension],
                |planes, k| decode(&self.images.bytes(k)?, &self.images.place(k), decoding, planes),
            )
            .collect();
        self.keep_readable(decoded, OnError::Skip, unread)?;
        Ok(())
    }

    fn keep_readable<T>(
        &mut self,
        results: Vec<Result<T>>,
        on_error: OnError,
        unread: &mut Unread,
    ) -> Result<Vec<T>> {
        let kept: Vec<bool> = results.iter().map(Result::is_ok).collect();
        let mut good = Vec::with_capacity(results.len());
        for (k, result) in results.into_iter().enumerate() {
            match (result, on_error) {
                (Ok(value), _) => good.push(value),
                (Err(error), OnError::Skip) => unread.skip(&self.images.place(k), &error),
                (Err(error), OnError::Stop) => return Err(error),
            }
        }
        if good.len() < kept.len() {
            self.images.retain(&kept);
            retain(&mut self.files, &kept);
            if let Some(labels) = &mut self.labels {
                retain(labels, &kept);
            }
        }
        Ok(good)
    }

    /// The images as a source of one shape; `transform` says what is done to them.
    pub(super) fn into_source(self, decoding: Decoding, transform: String) -> EncodedSource {
        let fingerprint =
            Fingerprint::of_files(&self.files, self.labels.as_deref(), &self.class_names, transform);
        EncodedSource {
            images: self.images,
            count: self.files.len(),
            labels: self.labels,
            class_names: self.class_names,
            decoding,
            fingerprint,
        }
    }
}

/// Keeps the elements for which `kept` is true.
pub(super) fn retain<T>(elements: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    elements.retain(|_| kept.next().copied().unwrap_or(false));
}

/// The images of one split.
#[derive(Debug)]
pub(super) struct EncodedSource {
    images: Box<dyn EncodedImages>,
    count: usize,
    labels: Option<Vec<i64>>,
    class_names: Vec<String>,
    decoding: Decoding,
    fingerprint: Fingerprint,
}

impl ImageSource for EncodedSource {
    fn len(&self) -> usize {
        self.count
    }

    fn shape(&self) -> ImageShape {
        self.decoding.shape
    }

    fn labels(&self) -> Option<&[i64]> {
        self.labels.as_deref()
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn read(&self, index: usize, planes: &mut [u8]) -> Result<()> {
        check_read(self, index, planes)?;
        decode(&self.images.bytes(index)?, &self.images.place(index), &self.decoding, planes)
    }
}

/// The error of a split of which no image is left.
pub(super) fn none_left(folder: &std::path::Path, unread: &Unread) -> DataError {
    let first = unread.first_skipped.first().map_or("none", |image| image.reason.as_str());
    DataError::no_data(folder, "at least one image that can be read", format!("none; the first: {first}"))
}
