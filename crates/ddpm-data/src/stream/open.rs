//! Opening a data set of image files: its splits, and the one shape that its images get.

use std::path::Path;
use std::sync::Arc;

use super::encoded::{Listed, none_left};
use super::source::ImageSource;
use super::{files, shards};
use crate::error::{DataError, Place, Result};
use crate::format::folder::KnownClasses;
use crate::format::image_file::{Decoding, Described, Header};
use crate::format::split_folders::SplitFolders;
use crate::image_options::{ImageOptions, OnError, Resize};
use crate::image_set::ImageShape;
use crate::unread::Unread;

/// Properties of the images that are known before the files are read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Expected<'a> {
    /// The shape that each image must have; `None`: that of the first image, or that of the options.
    pub(crate) shape: Option<ImageShape>,
    /// The names that class folders may have, in the order of their labels; `None`: every folder is a class.
    pub(crate) class_names: Option<&'a [&'a str]>,
}

/// A data set on the disk.
#[derive(Debug, Clone)]
pub struct StreamedDataset {
    /// Training images.
    pub train: Arc<dyn ImageSource>,
    /// Held-out images.
    pub held_out: Option<Arc<dyn ImageSource>>,
    /// What lies among them and is not read.
    pub unread: Unread,
}

/// Lists the images below `root` and checks their headers; none is decoded, unless images that cannot be decoded are to be skipped.
pub fn open(root: &Path, options: &ImageOptions) -> Result<StreamedDataset> {
    open_expecting(root, options, Expected::default())
}

/// A split with the headers of its images.
struct Split {
    listed: Listed,
    headers: Vec<Header>,
}

/// Lists the images below `root`, reads their headers and finds the shape of all.
pub(crate) fn open_expecting(
    root: &Path,
    options: &ImageOptions,
    expected: Expected<'_>,
) -> Result<StreamedDataset> {
    options.validate()?;
    let folders = SplitFolders::find(root);
    let mut unread = Unread { other_folders: folders.others, ..Unread::default() };
    let sharded = shards::is_folder_of_shards(&folders.train);

    let names: Option<Vec<String>> =
        expected.class_names.map(|names| names.iter().map(ToString::to_string).collect());
    let known = names.as_deref().map(|names| KnownClasses { names, by_number: true });
    let read = |folder: &Path, known: Option<KnownClasses<'_>>, unread: &mut Unread| {
        let mut listed = if sharded {
            shards::listed(folder, known.map(|known| known.names), options.on_error, unread)?
        } else {
            files::listed(folder, known, options.on_error, unread)?
        };
        let headers = listed.headers(options.on_error, unread)?;
        if headers.is_empty() {
            return Err(none_left(folder, unread));
        }
        Ok(Split { listed, headers })
    };

    let train = read(&folders.train, known, &mut unread)?;
    let held_out = folders.held_out.as_deref().map(|folder| {
        let classes = KnownClasses { names: &train.listed.class_names, by_number: names.is_some() };
        let split = read(folder, train.listed.labels.is_some().then_some(classes), &mut unread)?;
        if split.listed.labels.is_some() != train.listed.labels.is_some() {
            let expected = format!(
                "classes in both `{}` and `{}`, or in neither",
                folders.train.display(),
                folder.display()
            );
            return Err(DataError::no_data(folder, expected, "them in one"));
        }
        Ok(split)
    });
    let held_out = held_out.transpose()?;

    let splits = || [Some(&train), held_out.as_ref()].into_iter().flatten();
    let decoding = Decoding {
        shape: common_shape(&splits().collect::<Vec<_>>(), options, expected.shape)?,
        resize: options.resize,
        kinds: options.converts(),
    };
    unread.gif_files = splits().flat_map(|split| &split.headers).filter(|header| header.gif).count();

    let mut source = |mut split: Split, folder: &Path| {
        // The order of a run depends on the number of images: one that cannot be decoded must be known before the first step.
        if options.on_error == OnError::Skip {
            split.listed.skip_undecodable(&decoding, &mut unread)?;
        }
        if split.listed.files.is_empty() {
            return Err(none_left(folder, &unread));
        }
        Ok(Arc::new(split.listed.into_source(decoding, options.transform())) as Arc<_>)
    };
    Ok(StreamedDataset {
        train: source(train, &folders.train)?,
        held_out: held_out
            .map(|split| source(split, folders.held_out.as_deref().unwrap_or(root)))
            .transpose()?,
        unread,
    })
}

/// The shape that all images get; an error names an image that does not fit and the one that it does not fit to.
fn common_shape(
    splits: &[&Split],
    options: &ImageOptions,
    expected: Option<ImageShape>,
) -> Result<ImageShape> {
    let all = || {
        splits.iter().flat_map(|split| {
            split.headers.iter().enumerate().map(|(k, header)| (split.listed.images.place(k), *header))
        })
    };
    let refuse = |path: &Path, expected: String, got: String| {
        Err(DataError::malformed(path, Place::WholeFile, expected, got))
    };
    let Some((first_path, first)) = all().next() else {
        return Err(DataError::mismatch("images in a folder", "at least 1", 0));
    };

    let mut shape = expected.unwrap_or(first.shape);
    let as_first = if expected.is_none() { format!(" as {}", first_path.display()) } else { String::new() };
    if let Some(size) = options.size {
        [shape.height, shape.width] = size.height_width();
    }
    shape.channels = options.channels.unwrap_or(shape.channels);

    for (path, header) in all() {
        let found = header.shape;
        let misfit = (found.height, found.width) != (shape.height, shape.width);
        if misfit && options.resize == Resize::None {
            let given = if options.size.is_some() {
                " (data.image_size; data.resize makes it fit)".to_string()
            } else {
                format!("{as_first} (data.image_size and data.resize make it fit)")
            };
            return refuse(
                &path,
                format!("an image of {}{given}", Described(shape)),
                Described(found).to_string(),
            );
        }
        // A named data set of colour images may have grey copies of some.
        let colour = found.channels == shape.channels
            || expected.is_some_and(|expected| found.channels < expected.channels);
        if options.channels.is_none() && !colour {
            let expected =
                format!("an image of {}{as_first} (data.channels = 3 or 1 converts all)", Described(shape));
            return refuse(&path, expected, Described(found).to_string());
        }
        if header.deep && !options.converts() {
            return refuse(
                &path,
                "8 bits a channel (data.channels = 3 or 1 converts it)".to_string(),
                "16".to_string(),
            );
        }
    }
    Ok(shape)
}
