//! The output folder of the benchmark: its files, and what `--fresh` removes.

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// ```text
/// cells/KEY.json      results by key
/// networks/NAME/      the runs of the trained networks
/// results.json        every figure of the report
/// index.html          the report
/// log.jsonl           seconds that each computed cell took
/// ```
#[derive(Clone, Debug)]
pub(crate) struct OutputFolder {
    root: PathBuf,
}

const FOLDERS: [&str; 2] = ["cells", "networks"];
const FILES: [&str; 3] = ["results.json", "index.html", LOG];
/// Written from the start of every run: it marks the folder as that of a benchmark.
const LOG: &str = "log.jsonl";

impl OutputFolder {
    /// The output folder `root`, which is made where it is missing.
    ///
    /// # Errors
    /// Where files under the names of a benchmark stand in a folder that is not marked as one: they would be overwritten or removed.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let shown = root.display();
        ensure!(!root.exists() || root.is_dir(), "--out {shown} is a file; expected a folder");
        if !root.join(LOG).exists()
            && let Some(name) = FOLDERS.iter().chain(&FILES).find(|name| root.join(name).exists())
        {
            bail!(
                "--out {shown}: {name} is there without the {LOG} of a benchmark; expected an empty folder, or that of an earlier run"
            );
        }
        fs::create_dir_all(root).with_context(|| format!("--out {shown}"))?;
        Ok(OutputFolder { root: root.to_path_buf() })
    }

    /// Removes the files of a benchmark and nothing else.
    pub(crate) fn clear(&self) -> Result<()> {
        for name in FOLDERS {
            let path = self.root.join(name);
            forget(&path, fs::remove_dir_all(&path))?;
        }
        for name in FILES {
            let path = self.root.join(name);
            forget(&path, fs::remove_file(&path))?;
        }
        Ok(())
    }

    /// The cache of results.
    pub(crate) fn cells(&self) -> PathBuf {
        self.root.join("cells")
    }

    /// The run of a network.
    pub(crate) fn network(&self, name: &str) -> PathBuf {
        self.root.join("networks").join(name)
    }

    /// The file of all figures.
    pub(crate) fn results(&self) -> PathBuf {
        self.root.join("results.json")
    }

    /// The report.
    pub(crate) fn report(&self) -> PathBuf {
        self.root.join("index.html")
    }

    /// The log, opened for appending.
    pub(crate) fn log(&self) -> Result<Log> {
        let path = self.root.join(LOG);
        let file = OpenOptions::new().create(true).append(true).open(&path);
        Ok(Log(Mutex::new(file.with_context(|| path.display().to_string())?)))
    }
}

/// Errors of a removal, but for a file that does not exist.
fn forget(path: &Path, removed: std::io::Result<()>) -> Result<()> {
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// The log of times.
#[derive(Debug)]
pub(crate) struct Log(Mutex<File>);

impl Log {
    /// Adds a line. A failed write is a warning.
    pub(crate) fn add(&self, what: &str, seconds: f64) {
        let line = format!("{}\n", json!({"finished": what, "seconds": seconds}));
        let mut file = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::warn!("the log cannot be written: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_removes_its_own_and_leaves_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let place = OutputFolder::open(&folder.path().join("b")).unwrap();
        for file in ["cells/a.json", "networks/x/config.toml", "index.html", "results.json", "mine.txt"] {
            let path = folder.path().join("b").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        place.log().unwrap().add("cell", 0.5);
        place.clear().unwrap();
        let left: Vec<_> =
            fs::read_dir(folder.path().join("b")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["mine.txt"]);
        place.clear().unwrap();
        assert!(
            OutputFolder::open(&folder.path().join("b/mine.txt"))
                .unwrap_err()
                .to_string()
                .contains("is a file")
        );
    }

    #[test]
    fn files_of_another_program_are_neither_overwritten_nor_removed() {
        for file in ["index.html", "cells/a.json"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "x").unwrap();
            let error = OutputFolder::open(folder.path()).unwrap_err().to_string();
            assert!(error.contains("is there without the log.jsonl of a benchmark"), "{error}");
        }
    }
}
