//! The evaluation stage: the network's error at every noise level is measured once; the denoising error, the classical terms and the error
//! decomposition are computed from it.

use crate::checkpoints::load_images;
use crate::progress::{Progress, human_seconds};
use crate::run::Run;
use crate::runtime::StopFlag;
use crate::stage_marks::{self, Stage};
use anyhow::{Context, Result};
use ddpm_core::Scheme;
use ddpm_data::Dataset;
use ddpm_eval::{
    EvalConfig, MeasuredErrors, NetworkStudy, Spectrum, StudyNames, StudySettings, classical_terms,
    decompose, denoising_error,
};
use ddpm_report::results::{ClassicalReport, DecomposeReport, DenoisingError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tch::Device;

/// Where the classical terms of a run are kept.
pub(super) fn classical_path(run: &Run) -> PathBuf {
    run.dir.root().join("report").join("classical.json")
}

/// Where the decomposition of a run is kept.
pub(super) fn decomposition_path(run: &Run) -> PathBuf {
    run.dir.root().join("report").join("decomposition.json")
}

/// A result that the stage left.
pub(super) fn read_result<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let remedy = "run `ddpm reproduce` again, which makes it anew";
    Ok(ddpm_report::results::read_result(path, remedy)?)
}

pub(super) fn write_result(path: &Path, result: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(result)?;
    ddpm_data::atomic::write_bytes(path, text.as_bytes()).with_context(|| path.display().to_string())
}

/// Measures a network with a progress bar.
pub(crate) fn measure(
    study: &NetworkStudy<'_>,
    data: &Dataset,
    config: &EvalConfig,
    device: Device,
    stop: &StopFlag,
) -> Result<MeasuredErrors> {
    let begun = Instant::now();
    let mut progress: Option<Progress> = None;
    let measured = study.measure(data, config, device, &mut |at| {
        progress
            .get_or_insert_with(|| Progress::new("evaluate", "images", 0, at.total))
            .set(at.done, String::new);
        stop.flow()
    })?;
    if let Some(progress) = progress {
        let seconds = human_seconds(begun.elapsed().as_secs_f64());
        progress.finish(&format!("errors of the network at every noise level, {seconds}"));
    }
    Ok(measured)
}

/// Whether the results of the stage are there and of this version of the program; the decomposition is not part of every run.
fn results_are_readable(run: &Run) -> bool {
    let decomposition = decomposition_path(run);
    DenoisingError::read(&run.dir.latest()).is_ok()
        && read_result::<ClassicalReport>(&classical_path(run)).is_ok()
        && (!decomposition.exists() || read_result::<DecomposeReport>(&decomposition).is_ok())
}

/// The evaluation stage of the pipeline. The per-level errors go into the checkpoint, where the analytic variance finds them. The decomposition
/// is that of the ancestral sampler, whatever the run samples with.
pub(super) fn evaluate_if_needed(run: &Run, dataset: &Dataset, stop: &StopFlag) -> Result<()> {
    let config = &run.config;
    let (eval, sample, flips) = (&config.eval, &config.sample, config.train.horizontal_flips);
    let inputs = (eval, sample.steps, sample.grid, sample.sampler.variance, flips);
    if !results_are_readable(run) {
        Stage::Evaluate.forget(run)?;
    }
    Stage::Evaluate.unless_done(run, &stage_marks::inputs(run, &inputs)?, || {
        let dir = run.dir.latest();
        let checkpoint = load_images(&dir, run.device)?;
        let own = checkpoint.scheduler.variance();
        let variance = match sample.scheme(own)? {
            Scheme::Ddpm { variance } => variance,
            _ => own,
        };
        let settings = StudySettings {
            grid: sample.grid,
            steps: sample.steps,
            chosen: None,
            variance: Some(variance),
            flips,
        };
        let names = StudyNames {
            checkpoint: dir.display().to_string(),
            data: config.data.name.to_string(),
            ..StudyNames::default()
        };
        let study = NetworkStudy::of(&checkpoint, &settings, names)?.among(run.workers.clone());
        let measured = measure(&study, dataset, eval, run.device, stop)?;
        if !run.workers.is_first() {
            return Ok(());
        }
        denoising_error(&measured)?.write(&dir)?;
        let spectrum = Spectrum::of_images(&dataset.train)?;
        write_result(&classical_path(run), &classical_terms(&measured, &spectrum)?)?;
        let path = decomposition_path(run);
        if eval.training_floor && sample.steps >= 2 {
            write_result(&path, &decompose(&study, &measured, &spectrum)?)?;
        } else if path.exists() {
            // That of other settings.
            std::fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
        Ok(())
    })
}
