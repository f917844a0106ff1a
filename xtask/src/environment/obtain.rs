//! Finding libtorch in the cache, or installing it there with pip.

use std::fs;

use anyhow::{Result, bail};

use super::{Environment, Index, Pip, cache_dir};
use crate::libtorch::{Build, Libtorch};
use crate::machine::{self, Bytes, Interpreter};

/// Sizes of an installation, measured on x86-64 Linux with Python 3.11 and rounded up. Those of PyTorch's CPU wheels
/// were not measured and are upper estimates.
struct Size {
    download: Bytes,
    installed: Bytes,
}

const fn size(build: Build) -> Size {
    match build {
        Build::Cpu => Size { download: Bytes::megabytes(300), installed: Bytes::megabytes(1_500) },
        Build::Cuda => Size { download: Bytes::megabytes(2_700), installed: Bytes::megabytes(5_000) },
    }
}

/// An environment with the pinned libtorch. Without a choice of the user it is the build with CUDA where there is an
/// NVIDIA driver, else the CPU build if its index can be reached.
pub(crate) fn obtain(request: Option<Build>) -> Result<(Environment, Libtorch)> {
    let one_build = cfg!(target_os = "macos");
    if one_build && request == Some(Build::Cuda) {
        bail!("libtorch for macOS has no CUDA: leave --cuda out");
    }
    let suitable = suitable(request, one_build, || machine::find_driver().is_some());
    let cache = cache_dir()?;
    for build in suitable {
        let environment = Environment::of(&cache, *build);
        if let Some(libtorch) = environment.ready() {
            return Ok((environment, libtorch));
        }
    }

    machine::require_published_wheel()?;
    machine::find_compiler()?;
    let python = machine::find_python()?;
    for build in suitable {
        let index = if *build == Build::Cpu && !one_build { Index::PytorchCpu } else { Index::Default };
        let environment = Environment::of(&cache, *build);
        match install(&environment, *build, index, &python)? {
            Some(libtorch) => return Ok((environment, libtorch)),
            None if suitable.len() > 1 => {
                eprintln!(
                    "PyTorch's CPU index does not answer: taking the build with CUDA, which runs without a GPU too"
                );
            }
            None => {}
        }
    }
    bail!(
        "PyTorch's CPU index does not answer: try again, or take the build with CUDA (no GPU is needed) with --cuda"
    )
}

/// The suitable builds, the best first.
fn suitable(request: Option<Build>, one_build: bool, has_driver: impl Fn() -> bool) -> &'static [Build] {
    match request {
        Some(Build::Cuda) => &[Build::Cuda],
        Some(Build::Cpu) => &[Build::Cpu],
        None if one_build => &[Build::Cpu],
        None if has_driver() => &[Build::Cuda],
        // The build with CUDA runs on the CPU as well; it is larger.
        None => &[Build::Cpu, Build::Cuda],
    }
}

/// Install one build; `None` if its index does not answer.
fn install(
    environment: &Environment,
    build: Build,
    index: Index,
    python: &Interpreter,
) -> Result<Option<Libtorch>> {
    let lock = environment.lock()?;
    // Another checkout may have installed it while this one waited.
    if let Some(libtorch) = environment.ready() {
        return Ok(Some(libtorch));
    }
    let Size { download, installed } = size(build);
    let dir = environment.dir();
    // pip copies a wheel once more while it downloads.
    machine::require_space(dir, Bytes(download.0 + installed.0 + Bytes::megabytes(600).0))?;
    environment.make(python, &lock)?;
    if index == Index::PytorchCpu {
        eprintln!("asking PyTorch's CPU index for the build without CUDA");
        if !Pip::new(dir, &lock).cpu_index_answers() {
            // Remove the empty environment, but keep earlier downloads.
            let _ = fs::remove_dir_all(dir.join("venv"));
            let _ = fs::remove_dir(dir);
            return Ok(None);
        }
    }
    let (major, minor) = python.version;
    eprintln!(
        "installing libtorch {} for Python {major}.{minor}: about {download} to download, {installed} on disk, once for \
         all checkouts, into {} (DDPM_CACHE moves it; an interrupted download resumes when you set up again)",
        super::requirements::torch_version(),
        dir.display()
    );
    environment.install_torch(index, &lock).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_follows_the_request_then_the_driver() {
        assert_eq!(suitable(None, false, || true), [Build::Cuda]);
        assert_eq!(suitable(None, false, || false), [Build::Cpu, Build::Cuda]);
        assert_eq!(suitable(None, true, || false), [Build::Cpu]);
        assert_eq!(suitable(Some(Build::Cpu), false, || true), [Build::Cpu]);
        assert_eq!(suitable(Some(Build::Cuda), false, || false), [Build::Cuda]);
    }
}
