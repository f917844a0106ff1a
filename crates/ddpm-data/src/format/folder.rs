//! Folders of image files:
//!
//! ```text
//! ROOT/train/CLASS/*.png   ROOT/test/CLASS/*.png     (or `val`, `validation`; may be missing)
//! ROOT/CLASS/*.png                                   (no held-out split)
//! ROOT/train/*.png         ROOT/*.png                (no labels)
//! ```
//!
//! PNG and JPEG, 8 bits a channel, all of one size: nothing is cropped or resized here. Classes and files are sorted
//! by name, so that the order does not depend on the file system. Where any image has colour, grey ones become RGB;
//! orientation tags are not applied. JPEG leaves the rounding to the decoder: two decoders may differ by a few levels
//! in a pixel, so that only PNG copies are equal to the byte everywhere.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::image_file::{READABLE, UNREADABLE, decode_file, read_header};
use super::split_folders::SplitFolders;
use crate::error::{DataError, Place, Result};
use crate::image_set::{Dataset, ImageSet, ImageShape};

/// Properties of the images that are known before the folder is read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Expected<'a> {
    /// The shape that each image must have; `None`: that of the first image.
    pub(crate) shape: Option<ImageShape>,
    /// The names that class folders may have, in the order of their labels; `None`: every folder is a class.
    pub(crate) class_names: Option<&'a [&'a str]>,
}

/// Whether `root` looks like a folder of images, for choosing between layouts.
pub(crate) fn is_image_folder(root: &Path) -> bool {
    // A folder that is refused for its content holds images as well: loading it names the error.
    let holds_images = |listing: &Result<Listing>| match listing {
        Ok(listing) => !listing.images.is_empty(),
        Err(error) => matches!(error, DataError::Malformed(_)),
    };
    let inside = |folder: &Path| {
        let listing = scan(folder);
        holds_images(&listing)
            || listing.is_ok_and(|found| found.folders.iter().any(|class| holds_images(&scan(class))))
    };
    inside(&SplitFolders::find(root).train) || inside(root)
}

/// The images below a folder, listed and found to be of one size.
pub(crate) struct Found {
    /// The training images.
    pub(crate) train: Files,
    /// The held-out images.
    pub(crate) held_out: Option<Files>,
    /// The shape of all.
    pub(crate) shape: ImageShape,
}

/// Reads the images below `root`.
pub(crate) fn load(root: &Path, expected: Expected<'_>) -> Result<Dataset> {
    let Found { train, held_out, shape } = find(root, expected)?;
    Ok(Dataset {
        train: train.decode(shape)?,
        held_out: held_out.map(|files| files.decode(shape)).transpose()?,
    })
}

/// Lists the images below `root` and reads their headers.
pub(crate) fn find(root: &Path, expected: Expected<'_>) -> Result<Found> {
    let SplitFolders { train, held_out } = SplitFolders::find(root);
    let train_files = list(&train, expected.class_names)?;
    let held_out_files = if let Some(held_out) = held_out {
        let known: Vec<&str> = train_files.class_names.iter().map(String::as_str).collect();
        let files = list(&held_out, expected.class_names.or(Some(&known)))?;
        if files.labels.is_some() != train_files.labels.is_some() {
            let expected = format!(
                "class folders in both `{}` and `{}`, or in neither",
                name_of(&train),
                name_of(&held_out)
            );
            return Err(DataError::no_data(&held_out, expected, "them in one"));
        }
        Some(files)
    } else {
        None
    };

    let all = || train_files.paths.iter().chain(held_out_files.iter().flat_map(|files| &files.paths));
    let shape = common_shape(&all().collect::<Vec<_>>(), expected.shape)?;
    Ok(Found { train: train_files, held_out: held_out_files, shape })
}

/// The images of one split.
#[derive(Debug)]
pub(crate) struct Files {
    /// The files, sorted.
    pub(crate) paths: Vec<PathBuf>,
    /// One class index a path, unless the images lie in no class folder.
    pub(crate) labels: Option<Vec<i64>>,
    /// The classes' names.
    pub(crate) class_names: Vec<String>,
}

/// What a folder holds, sorted by name.
struct Listing {
    images: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

fn scan(folder: &Path) -> Result<Listing> {
    let mut listing = Listing { images: Vec::new(), folders: Vec::new() };
    for entry in fs::read_dir(folder).map_err(DataError::io("read the folder", folder))? {
        let path = entry.map_err(DataError::io("read the folder", folder))?.path();
        if name_of(&path).starts_with('.') {
            continue;
        }
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        if path.is_dir() {
            listing.folders.push(path);
        } else if READABLE.contains(&extension.as_str()) {
            // Opening a pipe would wait for a writer.
            if !path.is_file() {
                return Err(DataError::malformed(&path, Place::WholeFile, "a regular file", "another kind"));
            }
            listing.images.push(path);
        } else if UNREADABLE.contains(&extension.as_str()) {
            let expected = "PNG or JPEG (convert it first)";
            return Err(DataError::malformed(
                &path,
                Place::WholeFile,
                expected,
                format!("a .{extension} file"),
            ));
        }
    }
    listing.images.sort_unstable();
    listing.folders.sort_unstable();
    Ok(listing)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Lists the images of a split, by class where there are class folders.
fn list(folder: &Path, known_classes: Option<&[&str]>) -> Result<Files> {
    let listing = scan(folder)?;
    let refuse = |expected: &str, got: String| DataError::no_data(folder, expected, got);
    match (listing.images.is_empty(), listing.folders.is_empty()) {
        (true, true) => {
            Err(refuse("PNG or JPEG images, or one folder of them a class", "neither".to_string()))
        }
        (false, false) => Err(refuse(
            "either images or class folders",
            format!("both, such as {} and {}", name_of(&listing.images[0]), name_of(&listing.folders[0])),
        )),
        (false, true) => Ok(Files { paths: listing.images, labels: None, class_names: Vec::new() }),
        (true, false) => list_classes(&listing.folders, known_classes),
    }
}

fn list_classes(folders: &[PathBuf], known_classes: Option<&[&str]>) -> Result<Files> {
    let class_names: Vec<String> = match known_classes {
        Some(known) => known.iter().map(ToString::to_string).collect(),
        None => folders.iter().map(|folder| name_of(folder)).collect(),
    };
    let (mut paths, mut labels) = (Vec::new(), Vec::new());
    for folder in folders {
        let name = name_of(folder);
        // A class may also go by its number: not every name can be a folder's ("T-shirt/top").
        let by_name = class_names.iter().position(|class| *class == name);
        let by_number = || name.parse::<usize>().ok().filter(|&number| number < class_names.len());
        let label = by_name.or_else(by_number).ok_or_else(|| {
            let expected = format!("a class folder among {}", class_names.join(", "));
            DataError::no_data(folder, expected, format!("`{name}`"))
        })?;
        let listing = scan(folder)?;
        if listing.images.is_empty() || !listing.folders.is_empty() {
            let got = format!("{} images and {} folders", listing.images.len(), listing.folders.len());
            return Err(DataError::no_data(folder, "PNG or JPEG images and nothing below", got));
        }
        labels.extend(std::iter::repeat_n(label as i64, listing.images.len()));
        paths.extend(listing.images);
    }
    Ok(Files { paths, labels: Some(labels), class_names })
}

/// The shape that all images share, read from their headers, so that a misfit is found before an image is decoded.
fn common_shape(paths: &[&PathBuf], expected: Option<ImageShape>) -> Result<ImageShape> {
    let headers = paths.par_iter().map(|path| read_header(path)).collect::<Result<Vec<_>>>()?;
    let channels = headers.iter().map(|header| header.channels).max().unwrap_or(1);
    let shape = match (expected, headers.first()) {
        (Some(shape), _) => shape,
        (None, Some(first)) => ImageShape { channels, ..*first },
        (None, None) => return Err(DataError::mismatch("images in a folder", "at least 1", 0)),
    };
    let misfit = headers.iter().position(|header| {
        (header.height, header.width) != (shape.height, shape.width) || header.channels > shape.channels
    });
    match misfit {
        None => Ok(shape),
        Some(k) => {
            let describe = |shape: &ImageShape| {
                let colour = if shape.channels == 1 { "grey" } else { "RGB" };
                format!("{}x{} {colour}", shape.width, shape.height)
            };
            let expected = format!("an image of {}", describe(&shape));
            Err(DataError::malformed(paths[k], Place::WholeFile, expected, describe(&headers[k])))
        }
    }
}

impl Files {
    fn decode(self, shape: ImageShape) -> Result<ImageSet> {
        let mut pixels = vec![0; self.paths.len() * shape.dimension()];
        let targets = pixels.par_chunks_mut(shape.dimension());
        targets.zip(&self.paths).try_for_each(|(planes, path)| decode_file(path, shape, planes))?;
        let set = ImageSet::new(shape, pixels)?;
        match self.labels {
            Some(labels) => set.with_labels(labels, self.class_names),
            None => Ok(set),
        }
    }
}
