//! pip inside an environment, kept from the user's own settings where those would break it.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::lock::Lock;
use super::requirements;
use crate::process;

/// Where PyTorch publishes builds without CUDA. PyPI has those with it.
const CPU_INDEX: &str = "https://download.pytorch.org/whl/cpu";

/// An index to install torch from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Index {
    /// PyPI, or what the user's pip is configured with.
    Default,
    /// PyTorch's own index of builds without CUDA.
    PytorchCpu,
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
        let mut probe = self.command();
        probe.args([
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

    /// Install packages; pip's messages and progress are the user's to see. Downloads are kept until everything is
    /// installed, so that an interrupted installation does not fetch a finished file again.
    pub(crate) fn install(&self, index: Index, what: &[&str]) -> Result<()> {
        let temporary = self.dir.join("tmp");
        fs::create_dir_all(&temporary).with_context(|| format!("cannot write to {}", self.dir.display()))?;
        let mut install = self.command();
        install.args(["install", "--no-warn-script-location", "--cache-dir"]).arg(self.dir.join("downloads"));
        if index == Index::PytorchCpu {
            install.args(["--index-url", CPU_INDEX]);
        }
        // pip unpacks in the temporary folder, which is often a small disk of its own.
        install.args(what).env("TMPDIR", &temporary);
        // What a product prints on standard output must not be mixed with this.
        install.stdout(io::stderr());
        self.lock.share_with(&mut install)?;
        process::run(&mut install)
    }

    /// Remove what installations leave behind.
    pub(crate) fn tidy(&self) {
        for folder in ["downloads", "tmp"] {
            // Only space is lost if this fails.
            let _ = fs::remove_dir_all(self.dir.join(folder));
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(super::python_of(self.dir));
        command.args(["-m", "pip", "--no-input", "--disable-pip-version-check"]);
        for variable in ["PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"] {
            command.env_remove(variable);
        }
        // A connection that breaks in a large file is taken up where it broke, by a pip that can.
        command.env("PIP_USER", "false").env("PYTHONNOUSERSITE", "1").env("PIP_RESUME_RETRIES", "20");
        command
    }
}
