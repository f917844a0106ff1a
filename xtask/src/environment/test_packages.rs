//! The Python packages that tests compare against, in an environment or in a Python of the user's.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::requirements::{PINS, PINS_PATH};
use super::{Environment, Index, Pip, pip};
use crate::process;
use crate::workspace::Workspace;

const CHECK: &str = include_str!("../../python/check_pins.py");

impl Environment {
    /// Whether the packages are those of the present pins.
    pub(crate) fn has_test_packages(&self) -> bool {
        fs::read_to_string(self.dir.join("test-packages")).is_ok_and(|note| note == PINS)
    }

    /// Install the packages beside torch, if they are not there. A complete environment costs two file reads.
    pub(crate) fn ensure_test_packages(&self, workspace: &Workspace) -> Result<()> {
        if self.has_test_packages() {
            return Ok(());
        }
        let lock = self.lock()?;
        if self.has_test_packages() {
            return Ok(());
        }
        eprintln!("installing the Python packages that tests compare against into {}", self.dir.display());
        self.drop_unfinished_packages()?;
        let installer = Pip::new(&self.dir, &lock);
        let pins = workspace.root().join(PINS_PATH);
        let explain = || format!("pip could not install the packages of {PINS_PATH} (it says why above)");
        installer
            .install(Index::Default, &["--requirement", &pins.to_string_lossy()])
            .map_err(|error| pip::explained(error, explain))?;
        self.write_note("test-packages", PINS)?;
        installer.tidy();
        Ok(())
    }

    /// Remove the metadata of packages that an interrupted installation left incomplete, which pip would regard as
    /// installed. pip writes the INSTALLER file of a package after all others.
    fn drop_unfinished_packages(&self) -> Result<()> {
        let packages = self.site_packages()?;
        let entries =
            fs::read_dir(&packages).with_context(|| format!("cannot read {}", packages.display()))?;
        for dir in entries.flatten().map(|entry| entry.path()) {
            if dir.extension().is_some_and(|extension| extension == "dist-info")
                && !dir.join("INSTALLER").exists()
            {
                fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
            }
        }
        Ok(())
    }
}

/// The pinned packages that a Python lacks, one line for each; `None` if it does not run.
pub(crate) fn unmet(python: &Path, workspace: &Workspace) -> Option<Vec<String>> {
    let mut check = Command::new(python);
    check.args(["-c", CHECK]).arg(workspace.root().join(PINS_PATH));
    // Cargo's library path must not change which libraries Python loads.
    check.env_remove("LD_LIBRARY_PATH").env_remove("DYLD_FALLBACK_LIBRARY_PATH");
    Some(process::ask(&mut check)?.lines().map(str::to_owned).collect())
}
