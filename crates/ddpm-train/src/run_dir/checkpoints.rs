//! The checkpoints of a run: written under a temporary name and renamed when complete, found again, kept or removed.

use super::RunDir;
use crate::retention::Retention;
use crate::training_state::TrainingState;
use crate::{TrainError, checkpoint_manifest};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Which checkpoint is the best, beside them.
const BEST: &str = "best.json";

/// The checkpoint with the smallest distance of its samples to real images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestCheckpoint {
    /// Its step.
    pub step: u64,
    /// The distance.
    pub distance: f64,
}

impl RunDir {
    /// The link to the newest checkpoint.
    pub fn latest(&self) -> PathBuf {
        self.checkpoints().join("latest")
    }

    /// The checkpoint of a step.
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.checkpoints().join(format!("step-{step:08}"))
    }

    pub(super) fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// crash between the rename and the link loses nothing.
    pub fn newest(&self) -> Result<Option<(u64, PathBuf)>, TrainError> {
        Ok(self.steps()?.last().map(|&step| (step, self.checkpoint(step))))
    }

    /// The newest checkpoint whose files have the digests that they were written with.
    ///
    /// Newer ones that are damaged are named in a warning and renamed to `damaged-step-00000000`. Where all are damaged nothing is changed,
    /// and the error says what to do. A configuration that was changed by hand is an error.
    pub fn newest_intact(&self) -> Result<Option<(u64, PathBuf)>, TrainError> {
        self.settle_copied_latest()?;
        let mut damaged = Vec::new();
        for step in self.steps()?.into_iter().rev() {
            let checkpoint = self.checkpoint(step);
            match checkpoint_manifest::verify(&checkpoint) {
                Ok(()) => {
                    for (step, error) in damaged {
                        let aside = self.set_aside(step)?;
                        tracing::warn!("damaged checkpoint: {error}; kept as {}", aside.display());
                    }
                    // A damaged one was set aside, or a crash came before the link.
                    if fs::read_link(self.latest()).ok() != checkpoint.file_name().map(PathBuf::from) {
                        self.link_latest(step)?;
                    }
                    return Ok(Some((step, checkpoint)));
                }
                Err(error @ TrainError::Edited(_)) => return Err(error),
                Err(error) => damaged.push((step, error)),
            }
        }
        match damaged.into_iter().next() {
            None => Ok(None),
            Some((_, newest)) => {
                Err(TrainError::AllDamaged { run: self.root.clone(), newest: Box::new(newest) })
            }
        }
    }

    fn set_aside(&self, step: u64) -> Result<PathBuf, TrainError> {
        self.rename_to_free(&self.checkpoint(step), &format!("damaged-step-{step:08}"))
    }

    /// Renames a folder of checkpoints to `name`, or to `name-1`, `name-2` where that is taken.
    fn rename_to_free(&self, folder: &Path, name: &str) -> Result<PathBuf, TrainError> {
        let aside = |n: u32| {
            let suffix = if n == 0 { String::new() } else { format!("-{n}") };
            self.checkpoints().join(format!("{name}{suffix}"))
        };
        let free = (0..).map(aside).find(|path| !path.exists()).unwrap_or_else(|| aside(0));
        fs::rename(folder, &free).map_err(TrainError::io(folder))?;
        Ok(free)
    }

    /// Makes room for the link `latest` where a copy of the run has a folder in its place (archives and object stores have no links).
    ///
    /// A folder that is the same as the checkpoint of its step is removed. One whose step has no checkpoint becomes that checkpoint. Any other is
    /// kept as `copied-latest`, and a warning says so.
    fn settle_copied_latest(&self) -> Result<(), TrainError> {
        let latest = self.latest();
        if !fs::symlink_metadata(&latest).is_ok_and(|found| found.is_dir()) {
            return Ok(());
        }
        let intact = checkpoint_manifest::verify(&latest).is_ok();
        match TrainingState::read(&latest).ok().map(|state| state.step) {
            Some(step) if intact && !self.checkpoint(step).exists() => {
                let folder = self.checkpoint(step);
                fs::rename(&latest, &folder).map_err(TrainError::io(&latest))
            }
            Some(step) if intact && checkpoint_manifest::same_files(&latest, &self.checkpoint(step))? => {
                // Renamed first, as in `remove`.
                let doomed = self.partial(step, "copy");
                fs::rename(&latest, &doomed).map_err(TrainError::io(&latest))?;
                fs::remove_dir_all(&doomed).map_err(TrainError::io(&doomed))
            }
            _ => {
                let kept = self.rename_to_free(&latest, "copied-latest")?;
                tracing::warn!(
                    "{} was a folder and no link, and is no copy of a checkpoint beside it; kept as {}",
                    latest.display(),
                    kept.display()
                );
                Ok(())
            }
        }
    }

    /// The steps that have a checkpoint, ascending.
    pub(super) fn steps(&self) -> Result<Vec<u64>, TrainError> {
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

    /// Writes a checkpoint through `content` into a temporary folder, renames that to its final name, moves the link `latest`, and removes the
    /// checkpoints that `keep` does not retain.
    ///
    /// Each file and then each folder is flushed to the disk before the rename.
    pub(crate) fn publish(
        &self,
        step: u64,
        keep: Retention,
        content: impl FnOnce(&Path) -> Result<(), TrainError>,
    ) -> Result<PathBuf, TrainError> {
        let folder = self.checkpoints();
        self.remove_leftovers()?;
        let partial = self.partial(step, "new");
        fs::create_dir(&partial).map_err(TrainError::io(&partial))?;
        if let Err(error) = content(&partial)
            .and_then(|()| checkpoint_manifest::write(&partial))
            .and_then(|()| sync_folders(&partial))
        {
            // The last good checkpoint is untouched. A half-written one is removed: the disk may be full.
            let _ = fs::remove_dir_all(&partial);
            return Err(error);
        }
        let done = self.checkpoint(step);
        if done.exists() {
            self.remove(step)?;
        }
        fs::rename(&partial, &done).map_err(TrainError::io(&done))?;
        sync(&folder)?;
        self.link_latest(step)?;
        self.prune(keep)?;
        Ok(done)
    }

    /// A folder that is not, or no longer, a checkpoint.
    fn partial(&self, step: u64, what: &str) -> PathBuf {
        self.checkpoints().join(format!(".step-{step:08}.{what}.partial"))
    }

    fn link_latest(&self, step: u64) -> Result<(), TrainError> {
        self.settle_copied_latest()?;
        self.link("latest", step)
    }

    /// Points a link beside the checkpoints at one of them, by a rename.
    fn link(&self, name: &str, step: u64) -> Result<(), TrainError> {
        let link = self.checkpoints().join(format!(".{name}.partial"));
        match fs::remove_file(&link) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(TrainError::io(&link)(e)),
            _ => {}
        }
        std::os::unix::fs::symlink(format!("step-{step:08}"), &link).map_err(TrainError::io(&link))?;
        fs::rename(&link, self.checkpoints().join(name)).map_err(TrainError::io(&link))?;
        sync(&self.checkpoints())
    }

    /// The checkpoint with the smallest distance of its samples to real images, if it was measured and is still there.
    pub fn best(&self) -> Option<BestCheckpoint> {
        let text = fs::read_to_string(self.checkpoints().join(BEST)).ok()?;
        let best: BestCheckpoint = serde_json::from_str(&text).ok()?;
        self.checkpoint(best.step).is_dir().then_some(best)
    }

    /// Makes a checkpoint the best: the link `checkpoints/best` names it, and it stays when later ones are written.
    pub(crate) fn set_best(&self, best: &BestCheckpoint) -> Result<(), TrainError> {
        let path = self.checkpoints().join(BEST);
        let text = serde_json::to_string(best).map_err(|error| TrainError::io(&path)(error.into()))?;
        ddpm_data::atomic::write_bytes(path, text.as_bytes())?;
        self.link("best", best.step)
    }

    fn prune(&self, keep: Retention) -> Result<(), TrainError> {
        let best = self.best().map(|best| best.step);
        for step in keep.surplus(&self.steps()?).into_iter().filter(|&step| Some(step) != best) {
            self.remove(step)?;
        }
        Ok(())
    }

    fn remove(&self, step: u64) -> Result<(), TrainError> {
        let folder = self.checkpoint(step);
        // Renamed first: a removal that is cut short must not leave half a checkpoint under a final name.
        let doomed = self.partial(step, "old");
        fs::rename(&folder, &doomed).map_err(TrainError::io(&folder))?;
        fs::remove_dir_all(&doomed).map_err(TrainError::io(&doomed))
    }

    pub(super) fn remove_leftovers(&self) -> Result<(), TrainError> {
        for (folder, prefix, suffix) in [
            (self.checkpoints(), ".step-", ".partial"),
            (self.root.clone(), ".config.toml.", ".tmp"),
            (self.root.clone(), ".metrics.jsonl.", ".tmp"),
        ] {
            for entry in fs::read_dir(&folder).map_err(TrainError::io(&folder))? {
                let path = entry.map_err(TrainError::io(&folder))?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                if name.starts_with(prefix) && name.ends_with(suffix) {
                    let removed =
                        if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                    removed.map_err(TrainError::io(&path))?;
                }
            }
        }
        Ok(())
    }
}

fn sync(folder: &Path) -> Result<(), TrainError> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(TrainError::io(folder))
}

/// Brings the entries of a folder and of all folders below it to the disk; the files themselves are flushed as they are written.
fn sync_folders(folder: &Path) -> Result<(), TrainError> {
    for entry in fs::read_dir(folder).map_err(TrainError::io(folder))? {
        let path = entry.map_err(TrainError::io(folder))?.path();
        if path.is_dir() {
            sync_folders(&path)?;
        }
    }
    sync(folder)
}
