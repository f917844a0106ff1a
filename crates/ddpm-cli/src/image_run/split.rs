//! The split stage: the distance of DDIM's samples from real images in parts.

use super::evaluate::{read_result, write_result};
use super::quality::wanted_extractor;
use crate::checkpoints::load_images;
use crate::evaluation::{SplitJob, StudiedSampler};
use crate::run::Run;
use crate::runtime::StopFlag;
use crate::stage_marks::{self, Stage};
use anyhow::Result;
use ddpm_core::Scheme;
use ddpm_data::Dataset;
use ddpm_report::results::SampleSplit;
use std::path::PathBuf;

/// Where the result of a run is kept.
fn path(run: &Run) -> PathBuf {
    run.dir.root().join("report").join("split.json")
}

/// The result, if the run has one.
pub(super) fn read(run: &Run) -> Result<Option<SampleSplit>> {
    let path = path(run);
    if run.config.quality.split_samples == 0 || !path.exists() {
        return Ok(None);
    }
    Ok(Some(read_result(&path)?))
}

/// Splits the distance as `[quality]` says, unless that was done.
pub(super) fn split_if_needed(run: &Run, dataset: &Dataset, stop: &StopFlag) -> Result<()> {
    let config = &run.config.quality;
    if config.split_samples == 0 {
        return Ok(());
    }
    if read_result::<SampleSplit>(&path(run)).is_err() {
        Stage::Split.forget(run)?;
    }
    let sample = &run.config.sample;
    let inputs =
        ((config.split_samples, config.split_steps, config.split_fine_steps, &config.extractor), sample.seed);
    Stage::Split.unless_done(run, &stage_marks::inputs(run, &inputs)?, || {
        let folder = super::quality::features_folder(run);
        let chosen = wanted_extractor(run, dataset, &folder).load(&run.workers, stop)?;
        let dir = run.dir.latest();
        let checkpoint = load_images(&dir, run.device)?;
        let sampler = StudiedSampler {
            checkpoint: &checkpoint,
            dir: &dir,
            scheme: Scheme::ddim(0.0),
            steps: config.split_steps,
            grid: None,
            chosen: None,
            batch_size: SplitJob::usual_batch(dataset.shape()),
            seed: sample.seed,
            epsilon_scale: None,
            device: run.device,
        };
        let job = SplitJob {
            sampler: &sampler,
            fine_steps: (config.split_fine_steps > 0).then_some(config.split_fine_steps),
            trials: Vec::new(),
            samples: config.split_samples,
            extractor: chosen.extractor.as_ref(),
            data_name: run.config.data.name.to_string(),
        };
        let found = job.run(dataset, &run.workers, stop)?;
        found.map_or(Ok(()), |found| write_result(&path(run), &found))
    })
}
