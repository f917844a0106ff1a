//! Folders of image files:
//!
//! ```text
//! ROOT/train/CLASS/**/*.png   ROOT/test/CLASS/**/*.png     (or `val`, `validation`; may be missing)
//! ROOT/CLASS/**/*.png                                      (no held-out split)
//! ROOT/train/*.png            ROOT/*.png                   (no labels)
//! ```
//!
//! The folders at the top are the classes; images are found at any depth below them, as torchvision's `ImageFolder` finds them. Class
//! folders whose names are all numbers are sorted as numbers, others by name; files are sorted by their paths, so that the order does not
//! depend on the file system. Files whose names begin with a dot are not read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::image_file::{FORMATS, READABLE, UNREADABLE};
use super::split_folders::SplitFolders;
use crate::error::{DataError, Place, Result};
use crate::unread::kind_of;

/// The images of one split.
#[derive(Debug)]
pub(crate) struct ImageList {
    /// The files with their sizes in bytes, sorted.
    pub(crate) files: Vec<(PathBuf, u64)>,
    /// One class index a file, unless the images lie in no class folder.
    pub(crate) labels: Option<Vec<i64>>,
    /// The classes' names.
    pub(crate) class_names: Vec<String>,
    /// Images that cannot be read, from their names or kinds.
    pub(crate) refused: Vec<(PathBuf, DataError)>,
    /// Other files by kind.
    pub(crate) other_files: BTreeMap<String, usize>,
}

/// Classes that are known before a folder is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KnownClasses<'a> {
    /// Their names, in the order of their labels.
    pub(crate) names: &'a [String],
    /// Whether a class may also go by its number: not every name can be a folder's ("T-shirt/top").
    pub(crate) by_number: bool,
}

/// Whether `root` looks like a folder of images, for choosing between layouts.
pub(crate) fn is_image_folder(root: &Path) -> bool {
    // A folder that is refused for its content holds images as well: loading it names the error.
    let holds_images = |found: &Contents| !found.files.is_empty() || !found.refused.is_empty();
    let inside = |folder: &Path| {
        scan(folder).is_ok_and(|found| {
            holds_images(&found)
                || found.folders.iter().any(|class| walk(class).is_ok_and(|below| holds_images(&below)))
        })
    };
    inside(&SplitFolders::find(root).train) || inside(root)
}

/// Lists the images of a split, by class where there are class folders.
pub(crate) fn list(folder: &Path, known: Option<KnownClasses<'_>>) -> Result<ImageList> {
    let top = scan(folder)?;
    let refuse = |expected: String, got: String| DataError::no_data(folder, expected, got);
    match (top.files.first().or(top.refused.first().map(|(path, _)| path)), top.folders.first()) {
        (None, None) => {
            Err(refuse(format!("images ({FORMATS}), or one folder of them a class"), "neither".to_string()))
        }
        (Some(image), Some(class)) => Err(refuse(
            "either images or class folders".to_string(),
            format!("both, such as {} and {}", name_of(image), name_of(class)),
        )),
        (Some(_), None) => Ok(ImageList {
            files: with_sizes(top.files)?,
            labels: None,
            class_names: Vec::new(),
            refused: top.refused,
            other_files: top.other_files,
        }),
        (None, Some(_)) => list_classes(top, known),
    }
}

fn list_classes(top: Contents, known: Option<KnownClasses<'_>>) -> Result<ImageList> {
    let mut folders = top.folders;
    sort_classes(&mut folders);
    let class_names = match known {
        Some(known) => known.names.to_vec(),
        None => folders.iter().map(|folder| name_of(folder)).collect(),
    };
    let by_number = known.is_some_and(|known| known.by_number);
    let (mut files, mut labels, mut refused, mut other_files) =
        (Vec::new(), Vec::new(), Vec::new(), top.other_files);
    for folder in &folders {
        let name = name_of(folder);
        let by_name = class_names.iter().position(|class| *class == name);
        let number = || name.parse::<usize>().ok().filter(|&number| by_number && number < class_names.len());
        let label = by_name.or_else(number).ok_or_else(|| {
            let expected = format!("a class folder among {}", class_names.join(", "));
            DataError::no_data(folder, expected, format!("`{name}`"))
        })?;
        let found = walk(folder)?;
        if found.files.is_empty() && found.refused.is_empty() {
            return Err(DataError::no_data(folder, format!("images ({FORMATS})"), "none"));
        }
        labels.extend(std::iter::repeat_n(label as i64, found.files.len()));
        files.extend(with_sizes(found.files)?);
        refused.extend(found.refused);
        found
            .other_files
            .into_iter()
            .for_each(|(kind, count)| *other_files.entry(kind).or_default() += count);
    }
    Ok(ImageList { files, labels: Some(labels), class_names, refused, other_files })
}

/// Sorts class folders by name; as numbers if all are numbers, so that 10 comes after 9.
fn sort_classes(folders: &mut [PathBuf]) {
    let number = |path: &PathBuf| {
        let name = name_of(path);
        // The digits without leading zeros compare as numbers by length, then by text, whatever their size.
        let digits = name.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty();
        let significant = name.trim_start_matches('0').to_string();
        digits.then_some((significant.len(), significant, name))
    };
    if folders.iter().all(|path| number(path).is_some()) {
        folders.sort_by_cached_key(number);
    } else {
        folders.sort_unstable();
    }
}

/// What a folder holds; the lists are sorted.
#[derive(Default)]
struct Contents {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    refused: Vec<(PathBuf, DataError)>,
    other_files: BTreeMap<String, usize>,
}

/// What lies directly in a folder.
fn scan(folder: &Path) -> Result<Contents> {
    let mut found = Contents::default();
    for entry in fs::read_dir(folder).map_err(DataError::io("read the folder", folder))? {
        let path = entry.map_err(DataError::io("read the folder", folder))?.path();
        let name = name_of(&path);
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let hidden = name.starts_with('.');
        if path.is_dir() {
            if !hidden {
                found.folders.push(path);
            }
        } else if !hidden && READABLE.contains(&extension.as_str()) {
            if path.is_file() {
                found.files.push(path);
            } else {
                // Opening a pipe would wait for a writer.
                let got = if path.exists() { "another kind" } else { "a link to nothing" };
                let error = DataError::malformed(&path, Place::WholeFile, "a regular file", got);
                found.refused.push((path, error));
            }
        } else if !hidden && UNREADABLE.contains(&extension.as_str()) {
            let expected = format!("{FORMATS} (convert it first)");
            let got = format!("a .{extension} file");
            let error = DataError::malformed(&path, Place::WholeFile, expected, got);
            found.refused.push((path, error));
        } else {
            *found.other_files.entry(kind_of(&name)).or_default() += 1;
        }
    }
    found.files.sort_unstable();
    found.folders.sort_unstable();
    found.refused.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// What lies in a folder and in all folders below it. A link to a folder that contains it is refused.
fn walk(folder: &Path) -> Result<Contents> {
    let mut all = Contents::default();
    let mut waiting = vec![(folder.to_path_buf(), Vec::new())];
    while let Some((folder, mut above)) = waiting.pop() {
        above.push(fs::canonicalize(&folder).map_err(DataError::io("read the folder", &folder))?);
        let found = scan(&folder)?;
        for below in found.folders {
            let real = fs::canonicalize(&below).map_err(DataError::io("read the folder", &below))?;
            if above.iter().any(|above| above.starts_with(&real)) {
                return Err(DataError::no_data(&below, "a folder", "a link to a folder that contains it"));
            }
            waiting.push((below, above.clone()));
        }
        all.files.extend(found.files);
        all.refused.extend(found.refused);
        found
            .other_files
            .into_iter()
            .for_each(|(kind, count)| *all.other_files.entry(kind).or_default() += count);
    }
    all.files.sort_unstable();
    all.refused.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(all)
}

fn with_sizes(files: Vec<PathBuf>) -> Result<Vec<(PathBuf, u64)>> {
    let size = |path: &PathBuf| Ok(fs::metadata(path).map_err(DataError::io("read", path))?.len());
    files.into_iter().map(|path| size(&path).map(|size| (path, size))).collect()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_folders_that_are_all_numbers_are_sorted_as_numbers() {
        let sorted = |names: &[&str]| {
            let mut folders: Vec<PathBuf> = names.iter().map(|name| Path::new("r").join(name)).collect();
            sort_classes(&mut folders);
            folders.iter().map(|folder| name_of(folder)).collect::<Vec<_>>()
        };
        assert_eq!(sorted(&["10", "9", "100", "0", "009"]), ["0", "009", "9", "10", "100"]);
        assert_eq!(sorted(&["10", "9", "a"]), ["10", "9", "a"]);
    }
}
