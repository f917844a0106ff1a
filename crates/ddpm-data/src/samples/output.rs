//! The place of samples: what may be there, that it can be written, and that no other process writes there.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::record::{self, Record};
use super::{png_files, shard_files};
use crate::error::{DataError, Result};
use crate::folder_lock::FolderLock;

/// The files that samples become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleFormat {
    /// A folder with a PNG of each image.
    Png,
    /// A folder of safetensors files with [`SHARD`](super::SHARD) images each.
    Shards,
    /// One safetensors file of f32 numbers.
    Tensors,
    /// One PNG of all images.
    Grid,
}

impl SampleFormat {
    /// Whether the output is a folder.
    pub fn is_folder(self) -> bool {
        matches!(self, SampleFormat::Png | SampleFormat::Shards)
    }

    /// The name in `samples.json`.
    pub(super) fn name(self) -> &'static str {
        match self {
            SampleFormat::Png => "png",
            SampleFormat::Shards => "shards",
            SampleFormat::Tensors => "tensors",
            SampleFormat::Grid => "grid",
        }
    }
}

/// What to do with samples of other settings that are in the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// They are an error: nothing that exists is lost.
    Refuse,
    /// They are removed: for a folder whose content is known to be the caller's.
    Replace,
}

/// A place that is locked for this process and known to be writable.
#[derive(Debug)]
pub struct SampleOutput {
    pub(super) path: PathBuf,
    pub(super) format: SampleFormat,
    /// The folder of the files: the output itself, or a hidden one beside a single file.
    pub(super) folder: PathBuf,
    existing: Existing,
    /// Whether the folder was made for this output.
    created: bool,
    /// Whether the folder has settings and no finished sample yet.
    pub(super) bare: bool,
    lock: Option<FolderLock>,
}

impl SampleOutput {
    /// Locks the place and tests that it can be written. The folder above it must exist.
    ///
    /// Fails for a folder with files of others, and with [`DataError::InUse`] where another process writes the same output. What was made here is
    /// removed again if the output is dropped before its first sample.
    pub fn reserve(path: &Path, format: SampleFormat, existing: Existing) -> Result<Self> {
        let folder = if format.is_folder() { path.to_path_buf() } else { hidden_folder(path)? };
        let created = match fs::create_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => false,
            made => made.map(|()| true).map_err(DataError::io("create the folder", &folder))?,
        };
        let mut output = SampleOutput {
            path: path.to_path_buf(),
            format,
            folder,
            existing,
            created,
            bare: false,
            lock: None,
        };
        output.check_files()?;
        match FolderLock::acquire(&output.folder) {
            Ok(lock) => output.lock = Some(lock),
            Err(error) => {
                if created {
                    let _ = fs::remove_dir(&output.folder);
                }
                return Err(error);
            }
        }
        Ok(output)
    }

    /// Whether samples of other settings give way; those of which none is finished always do.
    pub(super) fn replaces(&self, old: &Record) -> bool {
        self.existing == Existing::Replace || old.finished == 0
    }

    /// The record of the samples that are there. A damaged one counts as none where samples are replaced.
    pub(super) fn record(&self) -> Result<Option<Record>> {
        match Record::read(&self.folder) {
            Err(DataError::Malformed(_)) if self.existing == Existing::Replace => Ok(None),
            record => record,
        }
    }

    /// Removes every file of this program's making except the lock.
    pub(super) fn clear(&self) -> Result<()> {
        for name in self.names()? {
            if is_own(&name) {
                remove(&self.folder.join(name))?;
            }
        }
        Ok(())
    }

    /// Removes temporary files that a killed process left.
    pub(super) fn remove_temporary(&self) -> Result<()> {
        for name in self.names()? {
            if is_temporary(&name) {
                remove(&self.folder.join(name))?;
            }
        }
        Ok(())
    }

    /// Ends the writing: the lock is released, and the hidden folder of a single file removed.
    pub(super) fn finish(mut self) -> Result<()> {
        if let Some(lock) = self.lock.take() {
            if !self.format.is_folder() {
                self.clear()?;
            }
            lock.remove()?;
        }
        if self.format.is_folder() {
            return Ok(());
        }
        fs::remove_dir(&self.folder).map_err(DataError::io("remove", &self.folder))
    }

    /// Refuses a folder with files that are not samples of this program. Hidden files of others are left alone.
    fn check_files(&self) -> Result<()> {
        let known = self.existing == Existing::Replace || self.folder.join(record::NAME).is_file();
        let foreign =
            self.names()?.into_iter().find(|name| !(name.starts_with('.') || known && is_own(name)));
        match foreign {
            None => Ok(()),
            Some(file) => Err(DataError::ForeignFiles { folder: self.folder.clone(), file }),
        }
    }

    /// The names in the folder, in order.
    fn names(&self) -> Result<Vec<String>> {
        let list = || -> std::io::Result<Vec<String>> {
            fs::read_dir(&self.folder)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect()
        };
        let mut names = list().map_err(DataError::io("read", &self.folder))?;
        names.sort();
        Ok(names)
    }
}

impl Drop for SampleOutput {
    /// Without a first sample the place is left as it was found. Nothing can be done about a failure here.
    fn drop(&mut self) {
        let Some(lock) = self.lock.take() else { return };
        if self.bare {
            let _ = self.clear();
        }
        let _ = lock.remove();
        if self.created || !self.format.is_folder() {
            // Fails where there are files, as it should.
            let _ = fs::remove_dir(&self.folder);
        }
    }
}

/// `.NAME.partial` beside a file.
fn hidden_folder(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().filter(|_| !path.is_dir()).ok_or_else(|| {
        DataError::io("write", path)(std::io::Error::new(ErrorKind::InvalidInput, "it is no file's name"))
    })?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".partial");
    Ok(path.with_file_name(hidden))
}

/// The safetensors file in the hidden folder.
pub(super) const PARTS: &str = "parts.safetensors";

fn is_own(name: &str) -> bool {
    name == record::NAME
        || name == PARTS
        || png_files::is_name(name)
        || shard_files::is_name(name)
        || is_temporary(name)
}

/// `.NAME.XXXXXX.tmp` of a file of this program.
fn is_temporary(name: &str) -> bool {
    let inner = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp"));
    inner
        .and_then(|inner| inner.rsplit_once('.'))
        .is_some_and(|(name, _)| name == record::NAME || png_files::is_name(name))
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(DataError::io("remove", path))
}
