//! An advisory lock on a folder, so that a single process writes in it at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{DataError, Result};

/// The name of the file that is locked.
const NAME: &str = ".lock";

/// A lock on a folder, held until it is dropped or the process ends, however it ends.
///
/// The system releases the lock of a killed process; the file `.lock` that it leaves behind means nothing. On a file system without locks (some
/// network file systems) nothing is locked.
#[derive(Debug)]
pub struct FolderLock {
    path: PathBuf,
    file: File,
}

impl FolderLock {
    /// Locks an existing folder. Fails with [`DataError::InUse`] where another process holds the lock, and where nothing can be written.
    pub fn acquire(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        loop {
            let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
            let file = open.map_err(DataError::io("write into", folder))?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    return Err(DataError::InUse { folder: folder.to_path_buf() });
                }
                Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => {
                    return Err(DataError::io("lock", path)(error));
                }
                _ => {}
            }
            // The last holder may have removed the file between the opening and the locking: such a lock keeps nobody out.
            if is_at(&file, &path) {
                return Ok(FolderLock { path, file });
            }
        }
    }

    /// Whether a name in a folder is the lock's.
    pub fn is_name(name: &str) -> bool {
        name == NAME
    }

    /// Releases the lock and removes its file, for a folder in which nothing is left to write.
    pub fn remove(self) -> Result<()> {
        // While the lock is held, so that no other process can have taken it.
        fs::remove_file(&self.path).map_err(DataError::io("remove", &self.path))?;
        drop(self.file);
        Ok(())
    }
}

/// Whether the path still names the open file.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        match (file.metadata(), fs::metadata(path)) {
            (Ok(open), Ok(named)) => identity(open) == identity(named),
            _ => false,
        }
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = FolderLock::acquire(folder.path()).unwrap();
        let text = FolderLock::acquire(folder.path()).unwrap_err().to_string();
        assert_eq!(
            text,
            format!(
                "{}: another process is writing here; wait for it, or choose another folder",
                folder.path().display()
            )
        );
        drop(first);
        FolderLock::acquire(folder.path()).unwrap().remove().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        drop(FolderLock::acquire(folder.path()).unwrap());
    }

    #[test]
    fn a_place_where_nothing_can_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let text = FolderLock::acquire(&file).unwrap_err().to_string();
        assert!(text.starts_with(&format!("cannot write into {}", file.display())), "{text}");
    }
}
