//! The headers of CUDA with which NCCL's entry points are compiled. torch's wheels have the libraries, but not all headers.

use std::fs;

use anyhow::Result;

use super::requirements::CUDA_HEADERS;
use super::{Environment, Index, Pip};

/// Says that the headers are complete, or that they could not be installed.
const NOTE: &str = "cuda-headers";

/// Content of the note where they could not be installed.
const UNAVAILABLE: &str = "unavailable\n";

impl Environment {
    /// Install the headers beside torch, if they are not there. Without them everything but NCCL works, so that an index that does not answer
    /// is no error; it is asked again with `again`.
    pub(crate) fn ensure_cuda_headers(&self, again: bool) -> Result<()> {
        let done = || match fs::read_to_string(self.dir.join(NOTE)) {
            Ok(note) => note == CUDA_HEADERS || (note == UNAVAILABLE && !again),
            Err(_) => false,
        };
        if done() {
            return Ok(());
        }
        let lock = self.lock()?;
        if done() {
            return Ok(());
        }
        eprintln!(
            "installing headers of CUDA (3 MB), with which several GPUs are connected, into {}",
            self.dir.display()
        );
        let pins =
            CUDA_HEADERS.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let arguments: Vec<&str> = ["--no-deps", "--no-compile"].into_iter().chain(pins).collect();
        let pip = Pip::new(&self.dir, &lock);
        let installed = pip.install(Index::Default, &arguments).is_ok();
        pip.tidy();
        if !installed {
            eprintln!(
                "note: pip could not install them (it says why above): the program is built without NCCL, and trains on one GPU; `cargo xtask setup` tries again"
            );
        }
        self.write_note(NOTE, if installed { CUDA_HEADERS } else { UNAVAILABLE })
    }
}
