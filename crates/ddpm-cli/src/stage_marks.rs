//! Marks of finished stages: a file for each, written last, that names what the result was made from.

use crate::run::Run;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Instant;

/// A stage that leaves a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Training.
    Train,
    /// Sampling.
    Sample,
    /// Evaluation, with the error decomposition.
    Evaluate,
    /// Samples beside real images.
    Quality,
    /// The distance of samples in parts.
    Split,
}

/// The mark of a finished stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// What the result was made from: the checkpoint's step and the settings that were read.
    inputs: String,
    /// How long it took, all of its runs together, in seconds.
    pub(crate) seconds: f64,
}

impl Stage {
    fn path<C>(self, run: &Run<C>) -> PathBuf {
        let name = match self {
            Stage::Train => "train.json",
            Stage::Sample => "sample.json",
            Stage::Evaluate => "evaluate.json",
            Stage::Quality => "quality.json",
            Stage::Split => "split.json",
        };
        run.dir.root().join(".stages").join(name)
    }

    /// The mark, if the stage ever finished.
    pub(crate) fn mark<C>(self, run: &Run<C>) -> Option<Mark> {
        serde_json::from_str(&std::fs::read_to_string(self.path(run)).ok()?).ok()
    }

    /// Runs `body` unless the stage already finished on the same inputs, which the first of several processes finds.
    pub(crate) fn unless_done<C>(
        self,
        run: &Run<C>,
        inputs: &str,
        body: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let done = self.mark(run).is_some_and(|mark| mark.inputs == inputs);
        if run.workers.from_first(i64::from(done))? == 1 {
            return Ok(());
        }
        let begun = Instant::now();
        body()?;
        // What the first process wrote is there when another goes on.
        run.workers.barrier()?;
        if !run.workers.is_first() {
            return Ok(());
        }
        self.finish(run, inputs, begun.elapsed().as_secs_f64())
    }

    /// Removes the mark, so that the stage runs again.
    pub(crate) fn forget<C>(self, run: &Run<C>) -> Result<()> {
        if !run.workers.is_first() {
            return Ok(());
        }
        let path = self.path(run);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| path.display().to_string())
            }
            _ => Ok(()),
        }
    }

    /// Leaves the mark.
    pub(crate) fn finish<C>(self, run: &Run<C>, inputs: &str, seconds: f64) -> Result<()> {
        let text = serde_json::to_string(&Mark { inputs: inputs.to_string(), seconds })?;
        let path = self.path(run);
        ddpm_data::atomic::write_bytes(&path, text.as_bytes()).with_context(|| path.display().to_string())
    }
}

/// What sampling and evaluation start from: the newest checkpoint, and the settings they read.
pub(crate) fn inputs<T: Serialize>(run: &Run, settings: &T) -> Result<String> {
    let step = run.dir.newest()?.map_or(0, |(step, _)| step);
    let model = serde_json::to_string(&run.config.model)?;
    Ok(format!("step {step}, {model}, {}", serde_json::to_string(settings)?))
}
