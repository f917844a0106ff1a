//! Properties of the machine: compiler, Python, NVIDIA driver, disk space, and the packages that provide them.

mod compiler;
mod disk;
mod nvidia;
mod packages;
mod python;

pub(crate) use compiler::find_compiler;
pub(crate) use disk::{Bytes, free_space, require_space};
pub(crate) use nvidia::{Driver, OLDEST_DRIVER, find_driver};
pub(crate) use python::{Interpreter, find_python};

use anyhow::{Result, bail};

/// An error on machines for which PyTorch publishes no libtorch, before pip fails.
pub(crate) fn require_published_wheel() -> Result<()> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64" | "aarch64") | ("macos", "aarch64") => Ok(()),
        (os, arch) => bail!(
            "PyTorch publishes no libtorch for {os} on {arch}: build one and give it with `cargo xtask setup --libtorch DIR`"
        ),
    }
}
