//! A run directory: what a training run leaves on disk, and how its checkpoints appear whole or not at all.

use crate::TrainError;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Folders that belong to a run.
const OWN_FOLDERS: [&str; 4] = ["checkpoints", "samples", "report", ".stages"];
/// Files that belong to a run, besides TensorBoard's.
const OWN_FILES: [&str; 2] = ["config.toml", "metrics.jsonl"];

/// The folder of one run.
///
/// ```text
/// config.toml                      the resolved configuration
/// checkpoints/step-00000000/       pipeline directories, eight digits
/// checkpoints/latest               relative link to the newest
/// metrics.jsonl                    one line each `train.log_every` steps
/// events.out.tfevents.*            the same for TensorBoard
/// samples/                         pictures
/// report/index.html                the report
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    root: PathBuf,
}

impl RunDir {
    /// A run at `root`; nothing is touched.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        RunDir { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The resolved configuration.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// The metrics.
    pub fn metrics(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// The folder of pictures.
    pub fn samples(&self) -> PathBuf {
        self.root.join("samples")
    }

    /// The report.
    pub fn report(&self) -> PathBuf {
        self.root.join("report").join("index.html")
    }

    /// The link to the newest checkpoint.
    pub fn latest(&self) -> PathBuf {
        self.checkpoints().join("latest")
    }

    /// The checkpoint of a step.
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.checkpoints().join(format!("step-{step:08}"))
    }

    fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// The newest complete checkpoint and its step. Folders only ever take their final name when complete, so the names alone decide, and a
    /// crash between the rename and the link loses nothing.
    pub fn newest(&self) -> Result<Option<(u64, PathBuf)>, TrainError> {
        Ok(self.steps()?.last().map(|&step| (step, self.checkpoint(step))))
    }

    /// The steps that have a checkpoint, ascending.
    fn steps(&self) -> Result<Vec<u64>, TrainError> {
        let folder = self.checkpoints();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(TrainError::io(&folder)(e)),
        };
        let mut steps = Vec::new();
        for entry in entries {
            let name = entry.map_err(TrainError::io(&folder))?.file_name();
            steps.extend(name.to_str().and_then(|name| name.strip_prefix("step-")?.parse::<u64>().ok()));
        }
        steps.sort_unstable();
        Ok(steps)
    }

    /// Removes what a run leaves here, and nothing else; the folder itself goes if that empties it.
    pub fn clear(&self) -> Result<(), TrainError> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(TrainError::io(&self.root)(e)),
        };
        for entry in entries {
            let path = entry.map_err(TrainError::io(&self.root))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if OWN_FOLDERS.contains(&&*name) {
                fs::remove_dir_all(&path).map_err(TrainError::io(&path))?;
            } else if OWN_FILES.contains(&&*name) || name.starts_with("events.out.tfevents.") {
                fs::remove_file(&path).map_err(TrainError::io(&path))?;
            }
        }
        // Fails where other files remain, and that is as it should be.
        let _ = fs::remove_dir(&self.root);
        Ok(())
    }

    /// Makes the folder for a run's files.
    pub(crate) fn create(&self) -> Result<(), TrainError> {
        let folder = self.checkpoints();
        fs::create_dir_all(&folder).map_err(TrainError::io(&folder))
    }

    /// Writes a checkpoint through `content` into a temporary folder that then takes its final name; the link follows, and all but the
    /// newest `keep` (0: all) are removed.
    pub(crate) fn publish(
        &self,
        step: u64,
        keep: usize,
        content: impl FnOnce(&Path) -> Result<(), TrainError>,
    ) -> Result<PathBuf, TrainError> {
        let folder = self.checkpoints();
        self.remove_leftovers()?;
        let partial = folder.join(format!(".step-{step:08}.partial"));
        fs::create_dir(&partial).map_err(TrainError::io(&partial))?;
        if let Err(error) = content(&partial) {
            // The run's last good checkpoint is untouched; a half-written one must not eat the disk that may be full.
            let _ = fs::remove_dir_all(&partial);
            return Err(error);
        }
        let done = self.checkpoint(step);
        if done.exists() {
            fs::remove_dir_all(&done).map_err(TrainError::io(&done))?;
        }
        fs::rename(&partial, &done).map_err(TrainError::io(&done))?;
        sync(&folder)?;
        self.link_latest(step)?;
        self.prune(keep)?;
        Ok(done)
    }

    fn link_latest(&self, step: u64) -> Result<(), TrainError> {
        let link = self.checkpoints().join(".latest.partial");
        match fs::remove_file(&link) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(TrainError::io(&link)(e)),
            _ => {}
        }
        std::os::unix::fs::symlink(format!("step-{step:08}"), &link).map_err(TrainError::io(&link))?;
        fs::rename(&link, self.latest()).map_err(TrainError::io(&link))?;
        sync(&self.checkpoints())
    }

    fn prune(&self, keep: usize) -> Result<(), TrainError> {
        let steps = self.steps()?;
        let surplus = if keep == 0 { 0 } else { steps.len().saturating_sub(keep) };
        for &step in &steps[..surplus] {
            let folder = self.checkpoint(step);
            // Out of sight first: a removal that is cut short must not leave half a checkpoint under a final name.
            let doomed = self.checkpoints().join(format!(".step-{step:08}.partial"));
            fs::rename(&folder, &doomed).map_err(TrainError::io(&folder))?;
            fs::remove_dir_all(&doomed).map_err(TrainError::io(&doomed))?;
        }
        Ok(())
    }

    fn remove_leftovers(&self) -> Result<(), TrainError> {
        let folder = self.checkpoints();
        for entry in fs::read_dir(&folder).map_err(TrainError::io(&folder))? {
            let entry = entry.map_err(TrainError::io(&folder))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(".step-") && name.ends_with(".partial") {
                fs::remove_dir_all(entry.path()).map_err(TrainError::io(&entry.path()))?;
            }
        }
        Ok(())
    }
}

fn sync(folder: &Path) -> Result<(), TrainError> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(TrainError::io(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_appear_whole_and_old_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::new(folder.path().join("run"));
        run.create().unwrap();
        assert_eq!(run.newest().unwrap(), None);
        for step in [5, 10, 15] {
            let write = |dir: &Path| fs::write(dir.join("x"), [step as u8]).map_err(TrainError::io(dir));
            run.publish(step, 2, write).unwrap();
        }
        assert_eq!(run.steps().unwrap(), [10, 15]);
        assert_eq!(fs::read_link(run.latest()).unwrap(), Path::new("step-00000015"));
        assert_eq!(fs::read(run.latest().join("x")).unwrap(), [15]);

        let failed = run.publish(20, 2, |dir| {
            fs::write(dir.join("x"), "half").map_err(TrainError::io(dir))?;
            Err(TrainError::RunExists(dir.to_path_buf()))
        });
        assert!(failed.is_err());
        assert_eq!(run.newest().unwrap().unwrap().0, 15);
        let names: Vec<_> =
            fs::read_dir(run.root().join("checkpoints")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names.len(), 3, "{names:?}");

        fs::write(run.root().join("notes.txt"), "mine").unwrap();
        run.clear().unwrap();
        let left: Vec<_> = fs::read_dir(run.root()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["notes.txt"]);
    }
}
