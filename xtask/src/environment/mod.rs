//! The Python environments in the cache: one for each torch version and build, shared by checkouts.
//!
//! An environment is a folder `torch-VERSION-BUILD` with a virtual environment in it. The file `ready` is written last and
//! contains the place of torch; the files `test-packages` and `cuda-headers` mark the packages for tests and the headers for
//! NCCL as complete. An installation without its file is repeated, from the downloads that were kept.

mod cache;
mod cuda_headers;
mod lock;
mod obtain;
mod pip;
pub(crate) mod requirements;
mod test_packages;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

pub(crate) use cache::cache_dir;
pub(crate) use obtain::obtain;
pub(crate) use test_packages::unmet;

use self::lock::Lock;
use self::pip::{Index, Pip};
use crate::libtorch::{Build, Libtorch};
use crate::machine::Interpreter;
use crate::process;

/// An environment in the cache, installed or not.
pub(crate) struct Environment {
    dir: PathBuf,
}

impl Environment {
    /// The environment of the pinned torch in one build.
    pub(crate) fn of(cache: &Path, build: Build) -> Self {
        let name = match build {
            Build::Cpu => "cpu",
            Build::Cuda => "cuda",
        };
        Self { dir: cache.join(format!("torch-{}-{name}", requirements::torch_version())) }
    }

    /// The environment of this cache that a libtorch folder belongs to.
    pub(crate) fn that_holds(cache: &Path, libtorch: &Libtorch) -> Option<Self> {
        [Build::Cpu, Build::Cuda]
            .map(|build| Self::of(cache, build))
            .into_iter()
            .find(|environment| environment.ready().is_some_and(|ready| ready.dir == libtorch.dir))
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its interpreter.
    pub(crate) fn python(&self) -> PathBuf {
        pip::python_of(&self.dir)
    }

    /// Its libtorch, if the installation is complete.
    pub(crate) fn ready(&self) -> Option<Libtorch> {
        let relative = fs::read_to_string(self.dir.join("ready")).ok()?;
        Libtorch::inspect(&self.dir.join(relative.trim())).ok()
    }

    fn lock(&self) -> Result<Lock> {
        // Beside the folder, because a rebuild removes the folder. `with_extension` would cut the version.
        let mut path = self.dir.clone().into_os_string();
        path.push(".lock");
        Lock::acquire(Path::new(&path))
    }

    /// Recreate the virtual environment; downloads are kept.
    fn make(&self, python: &Interpreter, lock: &Lock) -> Result<()> {
        for note in ["ready", "test-packages", "cuda-headers"] {
            match fs::remove_file(self.dir.join(note)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot write to {}", self.dir.display()));
                }
                _ => {}
            }
        }
        let venv = self.dir.join("venv");
        if venv.exists() {
            fs::remove_dir_all(&venv)
                .with_context(|| format!("cannot remove the incomplete {}", venv.display()))?;
        }
        fs::create_dir_all(&self.dir)
            .with_context(|| format!("cannot make the folder {}", self.dir.display()))?;
        let mut make = Command::new(&python.program);
        make.args(["-m", "venv"]).arg(&venv).env_remove("PYTHONHOME").stdout(std::io::stderr());
        lock.share_with(&mut make)?;
        process::run(&mut make)
            .with_context(|| format!("{} cannot make {}", python.program.display(), venv.display()))
    }

    /// Install torch from an index into the virtual environment, and mark it complete.
    fn install_torch(&self, index: Index, lock: &Lock) -> Result<Libtorch> {
        let version = requirements::torch_version();
        let pip = Pip::new(&self.dir, lock);
        pip.install_large(index, &format!("torch=={version}")).map_err(|error| {
            pip::explained(error, || {
                format!(
                    "pip could not install torch {version} (it says why above); what was downloaded is kept in {}: \
                     set up again to resume, or give a libtorch of your own with `cargo xtask setup --libtorch DIR`",
                    self.dir.display()
                )
            })
        })?;
        let packages = self.site_packages()?;
        let libtorch = Libtorch::inspect(&packages.join("torch"))?;
        let relative = packages.strip_prefix(&self.dir).unwrap_or(&packages).join("torch");
        self.write_note("ready", &format!("{}\n", relative.display()))?;
        pip.tidy();
        Ok(libtorch)
    }

    /// The folder that pip installs into.
    fn site_packages(&self) -> Result<PathBuf> {
        let mut ask = Command::new(self.python());
        ask.args(["-c", "import sysconfig; print(sysconfig.get_path('platlib'))"]).env_remove("PYTHONHOME");
        let python = self.python();
        let answer = process::ask(&mut ask).with_context(|| {
            format!("{} does not run: remove {} and set up again", python.display(), self.dir.display())
        })?;
        Ok(PathBuf::from(answer))
    }

    /// Write a note atomically, under another name and then renamed.
    fn write_note(&self, name: &str, text: &str) -> Result<()> {
        let (temporary, place) = (self.dir.join(format!("{name}.new")), self.dir.join(name));
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &place)
        };
        write().with_context(|| format!("cannot write {}", place.display()))
    }
}
