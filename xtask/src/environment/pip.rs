//! pip inside an environment, without those settings of the user that would break the installation.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Error, Result, anyhow};

use super::lock::Lock;
use super::requirements;
use crate::process::{self, Failed};

/// PyTorch's index of builds without CUDA. PyPI has the builds with CUDA.
const CPU_INDEX: &str = "https://download.pytorch.org/whl/cpu";

/// Downloads wheels so that an interruption loses one file at most.
const FETCH: &str = include_str!("../../python/fetch_wheels.py");

/// Exit code of that script if it cannot use this pip.
const CANNOT_FETCH: u8 = 3;

const PIP: [&str; 4] = ["-m", "pip", "--no-input", "--disable-pip-version-check"];

/// Folder of downloaded wheels, inside the environment's folder.
const WHEELS: &str = "downloads";

/// Temporary folder of pip, inside the environment's folder.
pub(super) const TEMPORARY: &str = "tmp";

/// An index to install torch from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Index {
    /// PyPI, or the index that the user's pip is configured with.
    Default,
    /// PyTorch's own index of builds without CUDA.
    PytorchCpu,
}

impl Index {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Default => &[],
            Self::PytorchCpu => &["--index-url", CPU_INDEX],
        }
    }
}

/// Replaces the error of a failed pip, which has printed its reason, by an explanation; other errors are returned unchanged.
pub(super) fn explained(error: Error, explanation: impl Fn() -> String) -> Error {
    if error.is::<Failed>() { anyhow!(explanation()) } else { error }
}

/// The interpreter of the environment at `dir`.
pub(super) fn python_of(dir: &Path) -> PathBuf {
    dir.join("venv/bin/python")
}

/// pip in the environment at `dir`, whose lock it shares.
pub(crate) struct Pip<'a> {
    dir: &'a Path,
    lock: &'a Lock,
}

impl<'a> Pip<'a> {
    pub(crate) fn new(dir: &'a Path, lock: &'a Lock) -> Self {
        Self { dir, lock }
    }

    /// Whether PyTorch's CPU index answers and has the pinned torch for this Python. An index that cannot be reached
    /// is no error and must not cost minutes of retries.
    pub(crate) fn cpu_index_answers(&self) -> bool {
        let wanted = format!("{}+cpu", requirements::torch_version());
        let mut probe = self.python();
        probe.args(PIP).args([
            "index",
            "versions",
            "torch",
            "--index-url",
            CPU_INDEX,
            "--retries",
            "0",
            "--timeout",
            "10",
        ]);
        // Only this index is asked.
        probe.env_remove("PIP_EXTRA_INDEX_URL").env_remove("PIP_FIND_LINKS").stderr(Stdio::null());
        process::ask(&mut probe).is_some_and(|text| text.contains(&wanted))
    }

    /// Install one package with its dependencies; resumes an interrupted installation.
    pub(crate) fn install_large(&self, index: Index, what: &str) -> Result<()> {
        let (wheels, temporary) = (self.dir.join(WHEELS), self.temporary()?);
        let mut fetch = self.prepare(&["-c", FETCH])?;
        fetch.args([&wheels, &temporary.join("fresh")]).arg(what).args(index.arguments());
        let fetched = process::run(&mut fetch);
        match fetched.as_ref().err().map(|error| error.downcast_ref::<Failed>()) {
            Some(Some(Failed { code: CANNOT_FETCH })) => return self.install(index, &[what]),
            Some(_) => return fetched,
            None => {}
        }
        // Most Python files of torch are never used here; Python compiles a file when it is imported.
        let from_wheels = ["install", "--no-compile", "--no-warn-script-location", "--find-links"];
        let mut install = self.prepare(&PIP)?;
        install.args(from_wheels).arg(&wheels).arg("--no-index").arg(what);
        if process::run(&mut install).is_ok() {
            return Ok(());
        }
        eprintln!("the downloaded wheels do not fit together: letting pip resolve the versions");
        let mut install = self.prepare(&PIP)?;
        process::run(install.args(from_wheels).arg(&wheels).args(index.arguments()).arg(what))
    }

    /// Install packages in one go.
    pub(crate) fn install(&self, index: Index, what: &[&str]) -> Result<()> {
        let mut install = self.prepare(&PIP)?;
        process::run(
            install.args(["install", "--no-warn-script-location"]).args(index.arguments()).args(what),
        )
    }

    /// A Python that prints to the terminal and shares the lock, since it may outlive this process.
    fn prepare(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = self.python();
        // pip unpacks in the temporary folder, which is often a small disk of its own.
        command.args(arguments).env("TMPDIR", self.temporary()?);
        // Standard output is for the output of `ddpm`.
        command.stdout(io::stderr());
        self.lock.share_with(&mut command)?;
        Ok(command)
    }

    fn temporary(&self) -> Result<PathBuf> {
        let temporary = self.dir.join(TEMPORARY);
        fs::create_dir_all(&temporary).with_context(|| format!("cannot write to {}", self.dir.display()))?;
        Ok(temporary)
    }

    /// Remove downloads and temporary files.
    pub(crate) fn tidy(&self) {
        for folder in [WHEELS, TEMPORARY] {
            // If this fails, only disk space is lost.
            let _ = fs::remove_dir_all(self.dir.join(folder));
        }
    }

    fn python(&self) -> Command {
        let mut command = Command::new(python_of(self.dir));
        for variable in ["PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"] {
            command.env_remove(variable);
        }
        // pip 25.1 and newer resume a large file after a lost connection.
        command.env("PIP_USER", "false").env("PYTHONNOUSERSITE", "1").env("PIP_RESUME_RETRIES", "20");
        command
    }
}
