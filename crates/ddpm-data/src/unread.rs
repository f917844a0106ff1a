//! What was found among the images of a data set and is not read: skipped images, other files, other folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::DataError;

/// Skipped images that are named; the others are counted.
const NAMED: usize = 5;

/// Files and folders of a data set that are not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Unread {
    /// Images that could not be read and were left out, as [`OnError::Skip`](crate::OnError::Skip) asks.
    pub skipped_images: usize,
    /// The first of them.
    pub first_skipped: Vec<SkippedImage>,
    /// Files that are no images, by extension: `.txt`, `without an extension`, `hidden`.
    pub other_files: BTreeMap<String, usize>,
    /// Folders that are not read.
    pub other_folders: Vec<PathBuf>,
    /// Animated formats of which the first frame alone is read: the number of GIF files.
    pub gif_files: usize,
}

/// An image that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedImage {
    /// The file, or the shard with the member.
    pub name: PathBuf,
    /// The error, which names the file.
    pub reason: String,
}

impl Unread {
    pub(crate) fn skip(&mut self, name: &Path, error: &DataError) {
        self.skipped_images += 1;
        if self.first_skipped.len() < NAMED {
            self.first_skipped.push(SkippedImage { name: name.to_path_buf(), reason: error.to_string() });
        }
    }

    pub(crate) fn add_other_files(&mut self, files: BTreeMap<String, usize>) {
        files.into_iter().for_each(|(kind, count)| *self.other_files.entry(kind).or_default() += count);
    }

    /// One line for each kind of thing that is not read; empty where everything is.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.skipped_images > 0 {
            let named: Vec<&str> = self.first_skipped.iter().map(|image| image.reason.as_str()).collect();
            let more = self.skipped_images - named.len();
            let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
            lines.push(format!(
                "{} skipped (data.on_error = \"skip\"): {}{rest}",
                count(self.skipped_images, "image"),
                named.join("; ")
            ));
        }
        if self.gif_files > 0 {
            lines.push(format!("{}: the first frame of each is read", count(self.gif_files, "GIF file")));
        }
        if !self.other_files.is_empty() {
            let kinds: Vec<String> =
                self.other_files.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            let all = self.other_files.values().sum();
            lines.push(format!("{} not read: {}", count(all, "other file"), kinds.join(", ")));
        }
        if !self.other_folders.is_empty() {
            let names: Vec<String> =
                self.other_folders.iter().take(NAMED).map(|folder| folder.display().to_string()).collect();
            let dots = if self.other_folders.len() > NAMED { ", ..." } else { "" };
            lines.push(format!(
                "{} not read: {}{dots}",
                count(self.other_folders.len(), "folder"),
                names.join(", ")
            ));
        }
        lines
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The kind of a file that is no image, from its name.
pub(crate) fn kind_of(name: &str) -> String {
    if name.starts_with('.') {
        return "hidden".to_string();
    }
    match Path::new(name).extension() {
        Some(extension) => format!(".{}", extension.to_string_lossy().to_ascii_lowercase()),
        None => "without an extension".to_string(),
    }
}
