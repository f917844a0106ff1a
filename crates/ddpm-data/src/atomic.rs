//! Atomic writing: a file appears complete under its final name, or not at all.
//!
//! The content goes to a temporary file in the same folder, is flushed to the disk, and takes its final name by one
//! rename. A crash at any moment leaves the old file, or none. A device or a pipe is written to directly, and a link to a file stays a link.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::error::{DataError, Result};

/// Writes `path` through `content`; missing folders on the way are created, an existing file is replaced.
pub fn write<F>(path: impl AsRef<Path>, content: F) -> Result<()>
where
    F: FnOnce(&mut dyn Write) -> io::Result<()>,
{
    let folder = folder_of(path.as_ref());
    fs::create_dir_all(folder).map_err(DataError::io("create the folder", folder))?;
    place(path.as_ref(), content)?;
    sync_folder(folder)
}

/// The folder of a file.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// [`write`] into an existing folder, whose renames the caller makes durable with [`sync_folder`]: for many files at once.
pub(crate) fn place<F>(path: &Path, content: F) -> Result<()>
where
    F: FnOnce(&mut dyn Write) -> io::Result<()>,
{
    // A rename would replace the device, the pipe or the link that the path names.
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        let mut file = File::options().write(true).open(path).map_err(DataError::io("write", path))?;
        return content(&mut file).map_err(DataError::io("write", path));
    }
    let behind_link = if path.is_symlink() { fs::canonicalize(path).ok() } else { None };
    let path = behind_link.as_deref().unwrap_or(path);
    let name = path.file_name().ok_or_else(|| {
        DataError::io("write", path)(io::Error::new(io::ErrorKind::InvalidInput, "the path has no file name"))
    })?;

    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".tmp");
    // Temporary files are private by default; a result is as readable as the user's umask says.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder_of(path)).map_err(DataError::io("write", path))?;

    let mut writer = BufWriter::new(file);
    content(&mut writer).map_err(DataError::io("write", path))?;
    let file = writer.into_inner().map_err(|error| DataError::io("write", path)(error.into_error()))?;
    file.as_file().sync_all().map_err(DataError::io("flush", path))?;
    file.persist(path).map_err(|error| DataError::io("write", path)(error.error))?;
    Ok(())
}

/// Gives a complete file, which is on the disk, its final name; an existing file is replaced.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(DataError::io("write", to))?;
    sync_folder(folder_of(to))
}

/// Writes `bytes` as the whole content of `path`.
pub fn write_bytes(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    write(path, |writer| writer.write_all(bytes))
}

/// Makes the renames in a folder survive a power failure, where the system has a way to ask for it.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(DataError::io("flush", folder))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rename would put a file in the place of a device or of a link.
    #[cfg(unix)]
    #[test]
    fn devices_pipes_and_links_stay_what_they_are() {
        use std::os::unix::fs::FileTypeExt;
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).unwrap()
        });
        write_bytes(&pipe, b"through").unwrap();
        assert_eq!(reader.join().unwrap(), "through");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());

        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        write_bytes(&link, b"new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing is left beside them");
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/result.bin");
        write_bytes(&path, b"old").unwrap();
        let failed = write(&path, |writer| {
            writer.write_all(&[0; 100_000])?;
            Err(io::Error::other("disk on fire"))
        });
        assert_eq!(failed.unwrap_err().to_string(), format!("cannot write {}: disk on fire", path.display()));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        write_bytes(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn an_unwritable_place_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        write_bytes(&file, b"").unwrap();
        let error = write_bytes(file.join("below"), b"").unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot create the folder {}", file.display())), "{error}");
        assert!(write_bytes("/", b"").unwrap_err().to_string().contains("no file name"));
    }

    #[cfg(unix)]
    #[test]
    fn results_are_as_readable_as_other_files() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        write_bytes(&ours, b"").unwrap();
        fs::write(&plain, b"").unwrap();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(ours), mode(plain));
    }
}
