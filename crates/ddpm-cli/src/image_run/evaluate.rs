//! The evaluation stage: the denoising error at every noise level, and the classical error terms.

use super::spectrum::LazySpectrum;
use crate::checkpoints::load_images;
use crate::progress::{Progress, human_seconds};
use crate::run::Run;
use crate::runtime::StopFlag;
use crate::stage_marks::{self, Stage};
use anyhow::{Context, Result};
use ddpm_core::Level;
use ddpm_data::Dataset;
use ddpm_eval::classical::classical_terms;
use ddpm_eval::denoising::{Measurement, NetworkModel, denoising_error, training_floor};
use ddpm_report::results::{ClassicalReport, DenoisingError};
use std::path::PathBuf;
use std::time::Instant;

/// Where the classical terms of a run are kept.
pub(super) fn classical_path(run: &Run) -> PathBuf {
    run.dir.root().join("report").join("classical.json")
}

/// The classical terms that the stage left.
pub(super) fn read_classical(run: &Run) -> Result<ClassicalReport> {
    let path = classical_path(run);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

/// The evaluation stage of the pipeline. The per-level errors go into the checkpoint, where the analytic variance finds them.
pub(super) fn evaluate_if_needed(
    run: &Run,
    dataset: &Dataset,
    spectrum: &mut LazySpectrum<'_>,
    stop: &StopFlag,
) -> Result<()> {
    let config = &run.config;
    let settings = (&config.eval, config.sample.steps, config.sample.grid);
    Stage::Evaluate.unless_done(run, &stage_marks::inputs(run, &settings)?, || {
        let dir = run.dir.latest();
        let checkpoint = load_images(&dir, run.device)?;
        let grid = config.sample.grid.unwrap_or(checkpoint.scheduler.spacing());
        let (schedule, timesteps) = checkpoint.scheduler.visit(grid, config.sample.steps)?;
        let visited = schedule.visited(&timesteps)?;
        let measurement = Measurement {
            config: &config.eval,
            threshold: checkpoint.scheduler.threshold(),
            device: run.device,
        };
        let model = NetworkModel::from(&checkpoint);
        let begun = Instant::now();
        let mut progress: Option<Progress> = None;
        let error = denoising_error(&model, dataset, &visited, &measurement, &mut |at| {
            progress
                .get_or_insert_with(|| Progress::new("evaluate", "images", 0, at.total))
                .set(at.done, String::new);
            stop.flow()
        })?;
        error.write(&dir)?;
        finish(progress, "denoising error", begun);
        let floor = config
            .eval
            .training_floor
            .then(|| floor(run, dataset, &visited, &measurement, stop))
            .transpose()?;
        let terms = classical_terms(spectrum.get()?, &error, floor.as_ref(), &visited)?;
        let path = classical_path(run);
        let text = serde_json::to_string_pretty(&terms)?;
        ddpm_data::atomic::write_bytes(&path, text.as_bytes()).with_context(|| path.display().to_string())
    })
}

/// The error that even a perfect memorizer of the training images makes on them.
fn floor(
    run: &Run,
    dataset: &Dataset,
    visited: &[Level],
    measurement: &Measurement<'_>,
    stop: &StopFlag,
) -> Result<DenoisingError> {
    let config = &run.config;
    let by_class = config.model.num_class_embeds.is_some();
    let begun = Instant::now();
    let mut progress: Option<Progress> = None;
    let floor =
        training_floor(dataset, config.train.horizontal_flips, by_class, visited, measurement, &mut |at| {
            progress
                .get_or_insert_with(|| Progress::new("floor", "images", 0, at.total))
                .set(at.done, String::new);
            stop.flow()
        })?;
    finish(progress, "irreducible error of the training images", begun);
    Ok(floor)
}

fn finish(progress: Option<Progress>, what: &str, begun: Instant) {
    if let Some(progress) = progress {
        progress.finish(&format!("{what}, {}", human_seconds(begun.elapsed().as_secs_f64())));
    }
}
