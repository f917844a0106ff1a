//! Room on the disk for what is to be written.

use std::path::Path;

use crate::error::{DataError, Result};

/// Refuses to write `needed` bytes into a folder whose file system has fewer left. Passes where that cannot be known.
pub(super) fn check(folder: &Path, needed: f64) -> Result<()> {
    match free(folder) {
        Some(free) if needed > free => Err(DataError::DiskFull {
            folder: folder.to_path_buf(),
            needed: in_words(needed),
            free: in_words(free),
        }),
        _ => Ok(()),
    }
}

/// Bytes of a block of the file system, the least that a file takes.
pub(super) fn block(folder: &Path) -> f64 {
    #[cfg(unix)]
    if let Ok(system) = rustix::fs::statvfs(folder) {
        return system.f_frsize as f64;
    }
    let _ = folder;
    1.0
}

/// Bytes that the user may write.
fn free(folder: &Path) -> Option<f64> {
    #[cfg(unix)]
    {
        let system = rustix::fs::statvfs(folder).ok()?;
        Some(system.f_bavail as f64 * system.f_frsize as f64)
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        None
    }
}

/// A number of bytes with a unit.
pub(super) fn in_words(bytes: f64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut value, mut unit) = (bytes / 1024.0, UNITS[0]);
    for larger in &UNITS[1..] {
        if value >= 1024.0 {
            (value, unit) = (value / 1024.0, larger);
        }
    }
    format!("{value:.1} {unit}")
}
