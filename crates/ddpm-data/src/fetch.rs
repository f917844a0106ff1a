//! Fetching a dataset's files from the first mirror that serves them intact.
//!
//! A file is written as `NAME.part` and renamed once its size and SHA-256 agree with the manifest. An interrupted
//! transfer resumes where it stopped, in the same call or a later one, from any mirror. Processes that fetch the same
//! file at the same time wait for the first of them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::atomic::sync_folder;
use crate::cache::dataset_dir;
use crate::checksum::{sha256_open, verify};
use crate::download::{Client, Interruption};
use crate::error::{DataError, FailedMirror, Result};
use crate::manifest::{self, FileEntry};
use crate::name::DatasetName;

/// Progress of a transfer.
#[derive(Debug, Clone, Copy)]
pub struct FetchProgress<'a> {
    /// The file's name.
    pub file: &'a str,
    /// Bytes on disk.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// Makes all files of a dataset present and intact below `datasets` (see [`datasets_dir`](crate::datasets_dir)) and
/// returns the dataset's folder. A file that is present is read once to verify it; a damaged one is fetched again.
pub fn fetch(
    name: DatasetName,
    datasets: &Path,
    progress: &mut dyn FnMut(FetchProgress<'_>),
) -> Result<PathBuf> {
    let folder = dataset_dir(datasets, name);
    for file in &manifest::entry(name)?.files {
        if !file.urls.is_empty() {
            fetch_file(file, &folder, progress)?;
        }
    }
    Ok(folder)
}

/// Whether all files of a dataset are there with their sizes; loading verifies the checksums.
pub fn is_fetched(name: DatasetName, datasets: &Path) -> Result<bool> {
    let folder = dataset_dir(datasets, name);
    let present = |file: &FileEntry| {
        fs::metadata(folder.join(&file.name)).is_ok_and(|found| found.is_file() && found.len() == file.size)
    };
    Ok(manifest::entry(name)?.files.iter().all(|file| file.urls.is_empty() || present(file)))
}

/// Makes one file present and intact in `folder`.
pub fn fetch_file(
    file: &FileEntry,
    folder: &Path,
    progress: &mut dyn FnMut(FetchProgress<'_>),
) -> Result<()> {
    let target = folder.join(&file.name);
    if already_complete(&target, file)? {
        report_complete(file, progress);
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(DataError::io("create the folder", folder))?;
    let part_path = folder.join(format!("{}.part", file.name));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let part = options.open(&part_path).map_err(DataError::io("write", &part_path))?;
    lock(&part, &part_path)?;
    // The process that held the lock before may have completed the file.
    if already_complete(&target, file)? {
        report_complete(file, progress);
        return Ok(());
    }

    let mut transfer = Transfer { file, part, part_path, client: Client::new() };
    let mut failures = Vec::new();
    for url in &file.urls {
        match transfer.complete_from(url, progress) {
            Ok(()) => {
                transfer.part.sync_all().map_err(DataError::io("flush", &transfer.part_path))?;
                fs::rename(&transfer.part_path, &target).map_err(DataError::io("write", &target))?;
                return sync_folder(folder);
            }
            Err(Interruption::Local(error)) => return Err(error),
            Err(Interruption::Remote(reason)) => {
                failures.push(FailedMirror { url: url.clone(), reason });
            }
        }
    }
    Err(DataError::Fetch { file: file.name.clone(), folder: folder.to_path_buf(), failures })
}

/// Whether the file stands intact under its final name; a damaged one is removed.
fn already_complete(target: &Path, file: &FileEntry) -> Result<bool> {
    if !target.exists() {
        return Ok(false);
    }
    match verify(target, file) {
        Ok(()) => Ok(true),
        Err(DataError::Corrupt(_)) => {
            fs::remove_file(target).map_err(DataError::io("replace", target))?;
            Ok(false)
        }
        Err(other) => Err(other),
    }
}

fn report_complete(file: &FileEntry, progress: &mut dyn FnMut(FetchProgress<'_>)) {
    progress(FetchProgress { file: &file.name, done: file.size, total: file.size });
}

/// Waits until no other process writes the partial file. Some network file systems have no locks: there, two
/// simultaneous fetches end in a checksum error at worst.
fn lock(part: &File, path: &Path) -> Result<()> {
    match part.try_lock() {
        Err(TryLockError::WouldBlock) => part.lock().map_err(DataError::io("lock", path)),
        Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => {
            Err(DataError::io("lock", path)(error))
        }
        _ => Ok(()),
    }
}

/// A file in transfer.
struct Transfer<'a> {
    file: &'a FileEntry,
    part: File,
    part_path: PathBuf,
    client: Client,
}

impl Transfer<'_> {
    /// Completes the partial file from one mirror and verifies it. Reconnects after a lost connection as long as each
    /// connection delivers new bytes, and gives the mirror up otherwise.
    fn complete_from(
        &mut self,
        url: &str,
        progress: &mut dyn FnMut(FetchProgress<'_>),
    ) -> Result<(), Interruption> {
        // Bytes of an earlier run or of another mirror may be wrong. Then this mirror is tried again without them.
        let mut inherited = self.length()? > 0;
        loop {
            self.receive_all(url, progress)?;
            let digest = sha256_open(&mut self.part, &self.part_path).map_err(Interruption::Local)?;
            if digest == self.file.sha256 {
                return Ok(());
            }
            self.discard()?;
            if !inherited {
                let expected = &self.file.sha256;
                return Err(Interruption::Remote(format!("expected SHA-256 {expected}, got {digest}")));
            }
            inherited = false;
        }
    }

    fn receive_all(
        &mut self,
        url: &str,
        progress: &mut dyn FnMut(FetchProgress<'_>),
    ) -> Result<(), Interruption> {
        let Self { file, .. } = *self;
        if self.length()? > file.size {
            self.discard()?;
        }
        let mut furthest = self.length()?;
        while self.length()? < file.size {
            let mut report = |done| progress(FetchProgress { file: &file.name, done, total: file.size });
            let outcome = self.client.receive(url, &mut self.part, &self.part_path, file.size, &mut report);
            let length = self.length()?;
            match outcome {
                Err(Interruption::Remote(_)) if length > furthest => furthest = length,
                other => other?,
            }
        }
        Ok(())
    }

    fn length(&self) -> Result<u64, Interruption> {
        let metadata = self.part.metadata().map_err(DataError::io("read", &self.part_path));
        Ok(metadata.map_err(Interruption::Local)?.len())
    }

    /// Empties the partial file. It is not removed: other processes may wait for its lock.
    fn discard(&mut self) -> Result<(), Interruption> {
        self.part.set_len(0).map_err(DataError::io("write", &self.part_path)).map_err(Interruption::Local)
    }
}
