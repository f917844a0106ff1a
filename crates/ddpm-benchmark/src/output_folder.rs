//! The output folder of the benchmark: its files, and what `--fresh` removes.

use anyhow::{Context, Result, bail, ensure};
use ddpm_data::{FolderLock, OwnFiles, own_files};
use ddpm_train::{RunDir, TrainError};
use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// ```text
/// .ddpm-error-benchmark   marks the folder as a benchmark's; locked by the process that writes it
/// cells/KEY.json          results by key
/// networks/NAME/          the runs of the trained networks
/// results.json            every figure of the report
/// index.html              the report
/// log.jsonl               seconds that each computed cell took
/// ```
#[derive(Debug)]
pub(crate) struct OutputFolder {
    root: PathBuf,
    lock: FolderLock,
}

const MARK: &str = ".ddpm-error-benchmark";
const LOG: &str = "log.jsonl";

impl OutputFolder {
    /// The output folder `root`, which is made where it is missing, and which no other process writes until the value is dropped.
    ///
    /// # Errors
    /// Where another process writes it, and where it has files of other origin, which could be overwritten or removed.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let shown = root.display();
        ensure!(!root.exists() || root.is_dir(), "--out {shown} is a file; expected a folder");
        let is_empty = fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_none());
        if root.exists() && !is_empty && !is_of_benchmark(root) {
            bail!(
                "--out {shown} has files of other origin and is no folder of a benchmark; expected an empty folder, or that of an earlier run"
            );
        }
        let lock = FolderLock::marking(root, MARK).with_context(|| format!("--out {shown}"))?;
        Ok(OutputFolder { root: root.to_path_buf(), lock })
    }

    /// What to tell the user where the file system has no locks.
    pub(crate) fn warning(&self) -> Option<String> {
        self.lock.warning()
    }

    /// Removes the files of a benchmark and nothing else.
    pub(crate) fn clear(&self) -> Result<()> {
        let files = |folder: &str, names| OwnFiles { folder: folder.to_owned(), names };
        for entry in fs::read_dir(self.root.join("networks")).into_iter().flatten() {
            let path = entry?.path();
            let run = RunDir::new(&path);
            match run.lock() {
                // Never a run of this benchmark.
                Err(TrainError::NoRun(_)) => continue,
                lock => {
                    let _lock = lock?;
                    run.clear()?;
                }
            }
            // Fails where other files remain.
            let _ = fs::remove_dir(&path);
        }
        let own = [
            files("", &["results.json", "index.html", LOG]),
            files("cells", &["@.json"]),
            files("networks", &[]),
        ];
        Ok(own_files::remove(&self.root, &own)?)
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

/// Whether the folder has the mark of a benchmark. Earlier versions set none: their folders are known by the first line of the log.
fn is_of_benchmark(root: &Path) -> bool {
    let log = || fs::read_to_string(root.join(LOG)).unwrap_or_default();
    root.join(MARK).exists() || log().starts_with("{\"finished\":")
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
        let root = folder.path().join("b");
        let place = OutputFolder::open(&root).unwrap();
        let own = [
            "cells/0a1b.json",
            "networks/x/config.toml",
            "networks/x/.ddpm-run",
            "index.html",
            "results.json",
        ];
        let foreign = ["mine.txt", "cells/mine.txt", "networks/y/config.toml"];
        for file in own.iter().chain(&foreign) {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), "x").unwrap();
        }
        place.log().unwrap().add("cell", 0.5);
        let second = OutputFolder::open(&root).unwrap_err();
        assert!(format!("{second:#}").contains("is in use by process"), "{second:#}");
        for _ in 0..2 {
            place.clear().unwrap();
            assert!(own.iter().all(|file| !root.join(file).exists()) && !root.join("networks/x").exists());
            assert!(foreign.iter().all(|file| root.join(file).exists()) && !root.join(LOG).exists());
        }
        let error = OutputFolder::open(&root.join("mine.txt")).unwrap_err().to_string();
        assert!(error.contains("is a file"), "{error}");
    }

    #[test]
    fn files_of_another_program_are_neither_overwritten_nor_removed() {
        for files in [&["index.html"][..], &["cells/a.json"], &["index.html", LOG]] {
            let folder = tempfile::tempdir().unwrap();
            for file in files {
                let path = folder.path().join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "x").unwrap();
            }
            let error = OutputFolder::open(folder.path()).unwrap_err().to_string();
            assert!(error.contains("has files of other origin"), "{error}");
        }
        // A folder of a version without marks.
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LOG), "{\"finished\":\"everything\",\"seconds\":1.0}\n").unwrap();
        OutputFolder::open(folder.path()).unwrap();
    }
}
