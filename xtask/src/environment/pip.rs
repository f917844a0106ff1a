//! pip inside an environment, kept from the user's own settings where those would break it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Error, Result, anyhow};

use super::lock::Lock;
use super::requirements;
use crate::process::{self, Failed};

/// Where PyTorch publishes builds without CUDA. PyPI has those with it.
const CPU_INDEX: &str = "https://download.pytorch.org/whl/cpu";

/// Downloads wheels so that an interruption loses one file at most.
const FETCH: &str = include_str!("../../python/fetch_wheels.py");

/// Its exit code on a pip that it cannot use.
const CANNOT_FETCH: u8 = 3;

const PIP: [&str; 4] = ["-m", "pip", "--no-input", "--disable-pip-version-check"];

/// The folder, inside an environment's, of wheels that wait for the rest.
const WHEELS: &str = "downloads";

/// The folder, inside an environment's, that pip may scribble in.
pub(super) const TEMPORARY: &str = "tmp";

/// An index to install torch from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Index {
    /// PyPI, or what the user's pip is configured with.
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

/// What the user should know when pip itself failed, which has then given its reason; other errors speak for themselves.
pub(super) fn explained(error: Error, explanation: impl Fn() -> String) -> Error {
    if error.is::<Failed>() { anyhow!(explanation()) } else { error }
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
        // What other places offer is not the question.
        probe.env_remove("PIP_EXTRA_INDEX_URL").env_remove("PIP_FIND_LINKS").stderr(Stdio::null());
        process::ask(&mut probe).is_some_and(|text| text.contains(&wanted))
    }

    /// Install one package with all it needs, going on where an interrupted installation stopped.
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
        // Most of torch's Python is never run here: it is compiled when it is.
        let from_wheels = ["install", "--no-compile", "--no-warn-script-location", "--find-links"];
        let mut install = self.prepare(&PIP)?;
        install.args(from_wheels).arg(&wheels).arg("--no-index").arg(what);
        if process::run(&mut install).is_ok() {
            return Ok(());
        }
        eprintln!("the downloaded wheels do not fit together: leaving the choice to pip");
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

    /// A Python whose messages and progress are the user's to see, and which may live on if the runner is killed.
    fn prepare(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = self.python();
        // pip unpacks in the temporary folder, which is often a small disk of its own.
        command.args(arguments).env("TMPDIR", self.temporary()?);
        // What a product prints on standard output must not be mixed with this.
        command.stdout(io::stderr());
        self.lock.share_with(&mut command)?;
        Ok(command)
    }

    fn temporary(&self) -> Result<PathBuf> {
        let temporary = self.dir.join(TEMPORARY);
        fs::create_dir_all(&temporary).with_context(|| format!("cannot write to {}", self.dir.display()))?;
        Ok(temporary)
    }

    /// Remove what installations leave behind.
    pub(crate) fn tidy(&self) {
        for folder in [WHEELS, TEMPORARY] {
            // Only space is lost if this fails.
            let _ = fs::remove_dir_all(self.dir.join(folder));
        }
    }

    fn python(&self) -> Command {
        let mut command = Command::new(super::python_of(self.dir));
        for variable in ["PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"] {
            command.env_remove(variable);
        }
        // A connection that breaks in a large file is taken up where it broke, by a pip that can.
        command.env("PIP_USER", "false").env("PYTHONNOUSERSITE", "1").env("PIP_RESUME_RETRIES", "20");
        command
    }
}
