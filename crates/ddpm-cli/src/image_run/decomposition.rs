//! The decomposition stage: how much of the network's error is initialization, discretization and training.

use super::spectrum::LazySpectrum;
use crate::checkpoints::load_images;
use crate::progress::{Progress, human_seconds};
use crate::run::Run;
use crate::runtime::StopFlag;
use crate::stage_marks::{self, Stage};
use anyhow::{Context, Result};
use ddpm_core::{Scheme, Variance};
use ddpm_data::Dataset;
use ddpm_eval::EvalConfig;
use ddpm_eval::decomposition::{Names, NetworkStudy, Thresholded};
use ddpm_eval::denoising::NetworkModel;
use ddpm_report::results::DecomposeReport;
use std::path::PathBuf;
use std::time::Instant;
use tch::Device;

/// Runs a study with progress.
pub(crate) fn decompose(
    study: &NetworkStudy<'_>,
    data: &Dataset,
    spectrum: &mut LazySpectrum<'_>,
    names: &Names,
    config: &EvalConfig,
    device: Device,
    stop: &StopFlag,
) -> Result<DecomposeReport> {
    let begun = Instant::now();
    let spectrum = spectrum.get()?;
    let mut progress: Option<Progress> = None;
    let report = study.run(data, spectrum, names, config, device, &mut |at| {
        progress
            .get_or_insert_with(|| Progress::new("decompose", "images", 0, at.total))
            .set(at.done, String::new);
        stop.flow()
    })?;
    if let Some(progress) = progress {
        let seconds = human_seconds(begun.elapsed().as_secs_f64());
        progress.finish(&format!("network and empirical measure on the same noised images, {seconds}"));
    }
    Ok(report)
}

/// Where the decomposition of a run is kept.
pub(crate) fn decomposition_path(run: &Run) -> PathBuf {
    run.dir.root().join("report").join("decomposition.json")
}

/// The decomposition stage of the pipeline: the sampler's own levels, measured at as many as the evaluation has. The decomposition is that of
/// the ancestral sampler, whatever the run samples with.
pub(super) fn decompose_if_needed(
    run: &Run,
    dataset: &Dataset,
    spectrum: &mut LazySpectrum<'_>,
    stop: &StopFlag,
) -> Result<()> {
    let config = &run.config;
    let (eval, sample) = (&config.eval, &config.sample);
    if !eval.training_floor || sample.steps < 2 {
        return Ok(());
    }
    let settings = (eval, sample.steps, sample.grid, sample.sampler.variance, config.train.horizontal_flips);
    Stage::Decompose.unless_done(run, &stage_marks::inputs(run, &settings)?, || {
        let dir = run.dir.latest();
        let checkpoint = load_images(&dir, run.device)?;
        let grid = sample.grid.unwrap_or(checkpoint.scheduler.spacing());
        let (schedule, timesteps) = checkpoint.scheduler.visit(grid, sample.steps)?;
        let own = checkpoint.scheduler.variance();
        let variance = match sample.scheme(own)? {
            Scheme::Ddpm { variance } => variance,
            _ => own,
        };
        let model = NetworkModel::from(&checkpoint);
        let study = NetworkStudy {
            network: Thresholded { model: &model, threshold: checkpoint.scheduler.threshold() },
            reference: None,
            schedule: &schedule,
            timesteps: &timesteps,
            grid,
            variance: if variance == Variance::LearnedRange { Variance::FixedLarge } else { variance },
            flips: config.train.horizontal_flips,
            by_class: checkpoint.network.config().num_class_embeds.is_some(),
        };
        let names = Names {
            checkpoint: dir.display().to_string(),
            reference: None,
            data: config.data.name.to_string(),
            schedule: checkpoint.scheduler.schedule_config().schedule.name().to_owned(),
        };
        let report = decompose(&study, dataset, spectrum, &names, eval, run.device, stop)?;
        let path = decomposition_path(run);
        let text = serde_json::to_string_pretty(&report)?;
        ddpm_data::atomic::write_bytes(&path, text.as_bytes()).with_context(|| path.display().to_string())
    })
}
