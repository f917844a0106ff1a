//! A lock on a folder: one process writes into it, and any other is told which one.
//!
//! The lock is a file in the folder. Its holder keeps it locked (`flock` on Unix, which network file systems pass on), and the kernel releases
//! it when the process ends, however it ends. The file stays, and also marks the folder as one that this program writes.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::error::{DataError, Result};

/// A folder that this process alone writes until the value is dropped.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
    path: PathBuf,
    /// Folders that the lock made, the innermost first.
    made: Vec<PathBuf>,
    /// Why the file system does not lock.
    unsupported: Option<std::io::Error>,
}

/// The content of the file.
#[derive(Serialize, Deserialize)]
struct Holder {
    host: String,
    pid: u32,
    since: String,
}

/// The file that is locked where the folder needs no mark.
const NAME: &str = ".lock";

impl FolderLock {
    /// Locks a folder by its file `.lock`. See [`FolderLock::marking`].
    pub fn acquire(folder: &Path) -> Result<Self> {
        Self::marking(folder, NAME)
    }

    /// Whether a name in a folder is that of [`FolderLock::acquire`].
    pub fn is_name(name: &str) -> bool {
        name == NAME
    }

    /// Locks `folder` by its file `name`. Missing folders are made, and removed again if nothing was written into them when the lock ends.
    ///
    /// # Errors
    /// [`DataError::InUse`] if another process holds the lock.
    pub fn marking(folder: &Path, name: &str) -> Result<Self> {
        let path = folder.join(name);
        let missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let made: Vec<PathBuf> = folder.ancestors().take_while(missing).map(Path::to_path_buf).collect();
        loop {
            fs::create_dir_all(folder).map_err(DataError::io("create the folder", folder))?;
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let mut file = match options.open(&path) {
                // The folder was empty and its last holder has just removed it.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && !folder.exists() => continue,
                file => file.map_err(DataError::io("write", &path))?,
            };
            let unsupported = match file.try_lock() {
                Ok(()) => None,
                Err(TryLockError::WouldBlock) => {
                    return Err(DataError::InUse { folder: folder.to_path_buf(), holder: holder(&mut file) });
                }
                Err(TryLockError::Error(error)) => Some(error),
            };
            if !is_at(&file, &path) {
                continue;
            }
            // For the message to others; the lock is the same without it.
            let _ = introduce(&mut file);
            return Ok(FolderLock { file, path, made, unsupported });
        }
    }

    /// Releases the lock and removes its file, for a folder in which nothing is left to write.
    pub fn remove(self) -> Result<()> {
        // While the lock is held, so that no other process can have taken it.
        fs::remove_file(&self.path).map_err(DataError::io("remove", &self.path))
    }

    /// What to tell the user where the file system has no locks, so that two processes could write at once.
    pub fn warning(&self) -> Option<String> {
        let (folder, error) = (self.path.parent()?.display(), self.unsupported.as_ref()?);
        Some(format!(
            "{folder} is on a file system without locks ({error}): start no second process on this folder"
        ))
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        let Some(folder) = self.path.parent() else { return };
        let alone = fs::read_dir(folder).is_ok_and(|entries| entries.count() == 1);
        // Removed while it is still locked: whoever opened it meanwhile sees that it is gone and makes another.
        if alone && is_at(&self.file, &self.path) && fs::remove_file(&self.path).is_ok() {
            let _ = self.made.iter().try_for_each(fs::remove_dir);
        }
    }
}

/// Whether the open file is the one that the path names.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let id = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
        matches!((file.metadata(), fs::metadata(path)), (Ok(a), Ok(b)) if id(&a) == id(&b))
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

fn introduce(file: &mut File) -> std::io::Result<()> {
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    let since = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let text = serde_json::to_string(&Holder { host, pid: std::process::id(), since })? + "\n";
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(text.as_bytes())
}

/// The holder in words; it may not have introduced itself yet.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.read_to_string(&mut text).ok();
    match read.and_then(|_| serde_json::from_str::<Holder>(&text).ok()) {
        Some(Holder { host, pid, since }) => format!("process {pid} on {host}, since {since}"),
        None => "another process".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_no_trace_of_a_lock_that_was_not_needed() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("runs/a");
        let lock = FolderLock::marking(&folder, ".mark").unwrap();
        let refused = FolderLock::marking(&folder, ".mark").unwrap_err().to_string();
        let host = gethostname::gethostname().to_string_lossy().into_owned();
        for part in [folder.display().to_string(), format!("process {} on {host}", std::process::id())] {
            assert!(refused.contains(&part), "{refused}");
        }
        drop(lock);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "nothing was written");

        let lock = FolderLock::marking(&folder, ".mark").unwrap();
        fs::write(folder.join("result"), "").unwrap();
        drop(lock);
        assert!(folder.join(".mark").exists() && folder.join("result").exists());
        FolderLock::marking(&folder, ".mark").unwrap().remove().unwrap();
        assert!(!folder.join(".mark").exists() && folder.join("result").exists());
        drop(FolderLock::acquire(&folder).unwrap());
        assert!(FolderLock::is_name(".lock") && folder.join(".lock").exists());
    }

    #[test]
    fn a_place_where_nothing_can_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let text = FolderLock::acquire(&file).unwrap_err().to_string();
        assert!(text.contains(&file.display().to_string()), "{text}");
    }
}
