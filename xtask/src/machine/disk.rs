//! Free disk space.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// An amount of storage, shown in decimal gigabytes as download pages and disks do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bytes(pub(crate) u64);

impl Bytes {
    pub(crate) const fn megabytes(count: u64) -> Self {
        Self(count * 1_000_000)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (gigabytes, tenths) = (self.0 / 1_000_000_000, self.0 / 100_000_000 % 10);
        write!(formatter, "{gigabytes}.{tenths} GB")
    }
}

/// What an unprivileged user may still write at a path, which need not exist yet.
pub(crate) fn free_space(path: &Path) -> Result<Bytes> {
    let existing = path.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
    let disk = rustix::fs::statvfs(existing)
        .with_context(|| format!("cannot ask for the free space at {}", existing.display()))?;
    Ok(Bytes(disk.f_bavail * disk.f_frsize))
}

/// Refuse before a download that cannot fit.
pub(crate) fn require_space(path: &Path, needed: Bytes) -> Result<()> {
    let free = free_space(path)?;
    if free < needed {
        bail!(
            "{} has {free} free, the installation needs {needed}: make room, or set DDPM_CACHE to a folder on another disk",
            path.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_known_for_a_folder_that_does_not_exist_yet() {
        let temporary = tempfile::tempdir().unwrap();
        let future = temporary.path().join("a/b/c");
        assert!(free_space(&future).unwrap() > Bytes(0));
        let message = require_space(&future, Bytes(u64::MAX)).unwrap_err().to_string();
        assert!(message.contains("DDPM_CACHE"), "{message}");
        assert!(message.contains("18446744073.7 GB"), "{message}");
        assert!(!future.exists());
    }
}
