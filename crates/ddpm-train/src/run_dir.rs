//! The directory of a training run. Checkpoints are written under a temporary name and renamed when complete.

use crate::retention::Retention;
use crate::run_files::{MARK, files};
use crate::training_state::TrainingState;
use crate::{TrainError, checkpoint_manifest};
use ddpm_data::{FolderLock, own_files};
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

/// The folder of one run.
///
/// ```text
/// .ddpm-run                        marks the folder as a run; locked by the process that writes it
/// config.toml                      the resolved configuration
/// images.json                      fingerprint of the training images
/// checkpoints/step-00000000/       pipeline directories, eight digits
/// checkpoints/latest               relative link to the newest
/// checkpoints/best                 relative link to the best, and best.json with its distance (`train.evaluate_every`)
/// metrics.jsonl                    one line each `train.log_every` steps
/// log.jsonl                        everything that its processes printed
/// .stopped                         the processes of a group were asked to stop
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

    /// The log of what its processes printed.
    pub fn log(&self) -> PathBuf {
        self.root.join("log.jsonl")
    }

    /// The fingerprint of the training images.
    pub fn images(&self) -> PathBuf {
        self.root.join("images.json")
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

    /// Makes this process the only one that writes the run, until the result is dropped; the folder is marked as a run.
    ///
    /// # Errors
    /// Where another process writes it, and where the folder has files but is no run.
    pub fn lock(&self) -> Result<FolderLock, TrainError> {
        if !self.is_run()? {
            let mut entries = match fs::read_dir(&self.root) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                    return Ok(FolderLock::marking(&self.root, MARK)?);
                }
                entries => entries.map_err(TrainError::io(&self.root))?,
            };
            if entries.next().is_some() {
                return Err(TrainError::NoRun(self.root.clone()));
            }
        }
        Ok(FolderLock::marking(&self.root, MARK)?)
    }

    /// Whether the folder is marked as a run. Earlier versions set no mark: their runs are known by a configuration beside checkpoints.
    fn is_run(&self) -> Result<bool, TrainError> {
        let marked = self.root.join(MARK).exists();
        Ok(marked || self.config().exists() && self.newest()?.is_some())
    }

    /// The mark of a run whose processes were asked to stop: a launcher that restarts them must not let them train on.
    fn stopped(&self) -> PathBuf {
        self.root.join(".stopped")
    }

    /// Whether the processes of the run were asked to stop and no new job has begun since.
    pub fn was_stopped(&self) -> bool {
        self.stopped().exists()
    }

    /// Notes that the processes were asked to stop, or that a new job begins.
    pub fn set_stopped(&self, stopped: bool) -> Result<(), TrainError> {
        let path = self.stopped();
        if stopped {
            return Ok(ddpm_data::atomic::write_bytes(path, b"")?);
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(TrainError::io(&path)(error)),
            _ => Ok(()),
        }
    }

    /// Refuses a folder that already holds a run.
    pub fn check_is_new(&self) -> Result<(), TrainError> {
        if self.newest()?.is_some() || self.config().exists() {
            return Err(TrainError::RunExists(self.root.clone()));
        }
        Ok(())
    }

    /// Removes the files that a run writes. Other files stay where they are, those inside a checkpoint under a name that is no checkpoint's.
    pub fn clear(&self) -> Result<(), TrainError> {
        own_files::remove(&self.root, &files())?;
        for step in self.steps()? {
            let (from, to) = (self.checkpoint(step), self.checkpoints().join(format!("kept-step-{step:08}")));
            fs::rename(&from, to).map_err(TrainError::io(&from))?;
        }
        Ok(())
    }

    /// Makes the folder for a run's files, and removes what a killed process left half-written.
    pub(crate) fn create(&self) -> Result<(), TrainError> {
        let folder = self.checkpoints();
        fs::create_dir_all(&folder).map_err(TrainError::io(&folder))?;
        self.remove_leftovers()
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

    fn remove_leftovers(&self) -> Result<(), TrainError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const LAST_TWO: Retention = Retention { last: 2, every: 0 };

    fn with_checkpoints(folder: &Path, keep: Retention, steps: &[u64]) -> RunDir {
        let run = RunDir::new(folder.join("run"));
        run.create().unwrap();
        for &step in steps {
            let write = |dir: &Path| {
                let state = dir.join("state");
                fs::create_dir(&state).map_err(TrainError::io(dir))?;
                fs::write(
                    state.join("state.json"),
                    format!(r#"{{"step": {step}, "threads": 1, "seed": 0}}"#),
                )
                .map_err(TrainError::io(dir))?;
                fs::write(dir.join("x"), [step as u8]).map_err(TrainError::io(dir))
            };
            run.publish(step, keep, write).unwrap();
        }
        run
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn checkpoints_appear_whole_and_old_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::new(folder.path().join("run"));
        run.create().unwrap();
        assert_eq!(run.newest().unwrap(), None);
        assert_eq!(run.newest_intact().unwrap(), None);
        let run = with_checkpoints(folder.path(), LAST_TWO, &[5, 10, 15, 15]);
        assert_eq!(run.steps().unwrap(), [10, 15]);
        assert_eq!(fs::read_link(run.latest()).unwrap(), Path::new("step-00000015"));
        assert_eq!(fs::read(run.latest().join("x")).unwrap(), [15]);

        let failed = run.publish(20, LAST_TWO, |dir| {
            fs::write(dir.join("x"), "half").map_err(TrainError::io(dir))?;
            Err(TrainError::RunExists(dir.to_path_buf()))
        });
        assert!(failed.is_err());
        assert_eq!(run.newest().unwrap().unwrap().0, 15);
        assert_eq!(names(&run.root().join("checkpoints")), ["latest", "step-00000010", "step-00000015"]);
    }

    #[test]
    fn only_the_files_of_a_run_are_removed_and_only_from_a_run() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::new(folder.path().join("run"));
        let write = |file: &str| {
            let path = run.root().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        let foreign = [
            "notes.txt",
            "samples/mine.png",
            "samples/images/face.jpg",
            "report/chapter1.tex",
            "checkpoints/other-model.pt",
            "checkpoints/best-step-00000010/unet/config.json",
        ];
        foreign.iter().for_each(|file| write(file));
        write("config.toml");
        let refused = run.lock().unwrap_err();
        assert!(matches!(refused, TrainError::NoRun(_)), "{refused}");
        assert!(foreign.iter().all(|file| run.root().join(file).exists()) && !run.root().join(MARK).exists());

        // A run of a version without marks.
        for file in [
            "metrics.jsonl",
            "events.out.tfevents.1.host.2.0",
            ".stages/train.json",
            "samples/grid.png",
            "samples/step-00000010.png",
            "samples/images/000001.png",
            "report/decomposition/index.html",
            "checkpoints/step-00000010/state/weights.safetensors",
            "checkpoints/step-00000010/unet/config.json",
            "checkpoints/damaged-step-00000005/unet/config.json",
            "checkpoints/.step-00000011.new.partial/unet/.config.json.a1B2.tmp",
        ] {
            write(file);
        }
        write("checkpoints/step-00000010/why.txt");
        std::os::unix::fs::symlink("step-00000010", run.latest()).unwrap();
        let lock = run.lock().unwrap();
        assert!(matches!(run.lock().unwrap_err(), TrainError::Data(ddpm_data::DataError::InUse { .. })));
        run.clear().unwrap();
        drop(lock);
        assert_eq!(run.newest().unwrap(), None);
        assert_eq!(names(run.root()), [MARK, "checkpoints", "notes.txt", "report", "samples"]);
        assert_eq!(
            names(&run.root().join("checkpoints")),
            ["best-step-00000010", "kept-step-00000010", "other-model.pt"]
        );
        assert!(foreign.iter().all(|file| run.root().join(file).exists()));
        assert_eq!(names(&run.root().join("checkpoints/kept-step-00000010")), ["why.txt"]);
        assert_eq!(names(&run.root().join("samples/images")), ["face.jpg"]);
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let run = with_checkpoints(folder.path(), LAST_TWO, &[5]);
        let checkpoints = run.root().join("checkpoints");
        for litter in [".step-00000006.new.partial", ".step-00000004.old.partial"] {
            fs::create_dir_all(checkpoints.join(litter).join("unet")).unwrap();
        }
        for file in [".config.toml.abc.tmp", ".metrics.jsonl.xyz.tmp", ".hidden.tmp", "metrics.jsonl"] {
            fs::write(run.root().join(file), "").unwrap();
        }
        run.create().unwrap();
        assert_eq!(names(&checkpoints), ["latest", "step-00000005"]);
        assert_eq!(names(run.root()), [".hidden.tmp", "checkpoints", "metrics.jsonl"]);
    }

    #[test]
    fn a_run_removes_what_its_retention_does_not_keep() {
        let folder = tempfile::tempdir().unwrap();
        let run = with_checkpoints(folder.path(), Retention { last: 1, every: 20 }, &[10, 20, 30, 40, 50]);
        assert_eq!(run.steps().unwrap(), [20, 40, 50]);
    }

    /// A copy of a run whose links became folders resumes as the run would, and nothing that is not there twice is removed.
    #[test]
    fn a_copied_latest_becomes_a_link_again() {
        let folder = tempfile::tempdir().unwrap();
        let run = with_checkpoints(folder.path(), Retention { last: 0, every: 0 }, &[5, 10]);
        let checkpoints = run.root().join("checkpoints");
        let copy_of = |step: u64| {
            let _ = fs::remove_file(run.latest());
            let status = std::process::Command::new("cp")
                .arg("-r")
                .args([run.checkpoint(step), run.latest()])
                .status();
            assert!(status.unwrap().success());
        };
        let linked = |step: u64| {
            assert_eq!(run.newest_intact().unwrap().unwrap().0, step);
            assert_eq!(fs::read_link(run.latest()).unwrap(), run.checkpoint(step).file_name().unwrap());
        };
        let both = ["latest", "step-00000005", "step-00000010"];
        copy_of(10);
        linked(10);
        assert_eq!(names(&checkpoints), both);
        // The only copy of its step becomes that step's checkpoint.
        copy_of(10);
        fs::remove_dir_all(run.checkpoint(10)).unwrap();
        linked(10);
        assert_eq!(names(&checkpoints), both);
        // Anything else is kept.
        copy_of(10);
        fs::write(run.latest().join("notes"), "mine").unwrap();
        linked(10);
        copy_of(5);
        fs::write(run.latest().join("x"), "damaged").unwrap();
        linked(10);
        let kept = ["copied-latest", "copied-latest-1", "latest", "step-00000005", "step-00000010"];
        assert_eq!(names(&checkpoints), kept);
        // A checkpoint is published over a copied one, too.
        copy_of(5);
        run.publish(15, LAST_TWO, |dir| {
            fs::create_dir(dir.join("state")).map_err(TrainError::io(dir))?;
            fs::write(dir.join("x"), "new").map_err(TrainError::io(dir))
        })
        .unwrap();
        linked(15);
    }

    #[test]
    fn a_damaged_checkpoint_is_set_aside_for_the_last_good_one() {
        let folder = tempfile::tempdir().unwrap();
        let run = with_checkpoints(folder.path(), Retention { last: 0, every: 0 }, &[5, 10, 15]);
        let damage = |step| fs::write(run.checkpoint(step).join("x"), "?").unwrap();
        damage(15);
        damage(10);
        assert_eq!(run.newest_intact().unwrap().unwrap().0, 5);
        assert_eq!(run.newest().unwrap().unwrap().0, 5);
        assert_eq!(fs::read_link(run.latest()).unwrap(), Path::new("step-00000005"));
        let checkpoints = run.root().join("checkpoints");
        let all = ["damaged-step-00000010", "damaged-step-00000015", "latest", "step-00000005"];
        assert_eq!(names(&checkpoints), all);

        damage(5);
        let error = run.newest_intact().unwrap_err().to_string();
        assert!(
            error.contains("step-00000005/x: expected SHA-256") && error.contains("another --run"),
            "{error}"
        );
        assert_eq!(names(&checkpoints), all, "nothing more is touched");
    }
}
