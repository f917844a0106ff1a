//! Checks of the images of a run before it begins, and before it resumes.

use anyhow::{Context, Result, bail, ensure};
use ddpm_data::{Dataset, Fingerprint, atomic};
use ddpm_train::RunDir;

/// Refuses a split of one image: nothing can be learned from it, and no measurement over it has an interval.
pub(crate) fn check_numbers(dataset: &Dataset) -> Result<()> {
    for (split, images) in [("training", Some(&dataset.train)), ("held-out", dataset.held_out.as_ref())] {
        if let Some(images) = images {
            ensure!(images.len() >= 2, "the data have {} {split} image; expected at least 2", images.len());
        }
    }
    Ok(())
}

/// Compares the training images with those that the run began with. The error says what differs.
pub(crate) fn check_unchanged(run: &RunDir, now: &Fingerprint) -> Result<()> {
    let path = run.images();
    if !path.exists() {
        return Ok(());
    }
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let before: Fingerprint = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    match before.difference(now) {
        None => Ok(()),
        Some(difference) => bail!(
            "the training images changed since {} began: {difference}; bring them back, choose another --run, or remove {} to go on with \
             the present ones",
            run.root().display(),
            path.display()
        ),
    }
}

/// Keeps the fingerprint of the training images with the run.
pub(crate) fn keep(run: &RunDir, images: &Fingerprint) -> Result<()> {
    let path = run.images();
    let text = serde_json::to_string_pretty(images)?;
    atomic::write_bytes(&path, format!("{text}\n").as_bytes()).with_context(|| path.display().to_string())
}
