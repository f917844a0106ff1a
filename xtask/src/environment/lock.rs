//! The lock of an installation: two checkouts may set up at the same time, and they share the cache.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// A file lock, held until this value and every program that shares it have ended.
pub(crate) struct Lock(File);

impl Lock {
    /// Take the lock at `path`; says so when it has to wait.
    pub(crate) fn acquire(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| {
                format!("cannot make the cache folder {} (DDPM_CACHE moves it)", folder.display())
            })?;
        }
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .with_context(|| format!("cannot write {} (DDPM_CACHE moves the cache)", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("waiting for another set-up that uses {}", path.with_extension("").display());
                file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
            }
            // Some network file systems have no locks. An installation is still marked complete only at its end.
            Err(TryLockError::Error(error)) => {
                eprintln!("note: {} cannot be locked ({error}): do not set up twice at once", path.display());
            }
        }
        Ok(Self(file))
    }

    /// Let a program hold the lock too, through its standard input (an empty file). If this process is killed, the program
    /// may run on; the next set-up must not work in the same folder until the program has ended.
    pub(crate) fn share_with<'a>(&self, command: &'a mut Command) -> Result<&'a mut Command> {
        Ok(command.stdin(Stdio::from(self.0.try_clone()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_shares_the_lock_keeps_it_when_the_runner_lets_go() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("cache/torch.lock");
        let free = || File::open(&path).unwrap().try_lock().is_ok();

        let lock = Lock::acquire(&path).unwrap();
        assert!(!free());
        let mut child = lock.share_with(Command::new("sleep").arg("60")).unwrap().spawn().unwrap();
        drop(lock);
        assert!(!free(), "the program still holds it");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(free());
    }
}
