//! The report stage: gathers what the other stages left and writes one page.

use super::evaluate::{classical_path, decomposition_path, read_result};
use super::{quality, split};
use crate::checkpoint_sampling::TRAJECTORY;
use crate::config::Configuration;
use crate::pictures::{FORWARD_COLUMNS, FORWARD_ROWS, Pictures};
use crate::run::Run;
use crate::runtime::{device_name, versions};
use crate::stage_marks::Stage;
use anyhow::{Context, Result};
use ddpm_core::interval::Interval;
use ddpm_data::{Dataset, DatasetName, ImageSet};
use ddpm_nets::checkpoint::read_scheduler;
use ddpm_report::decomposition_page::{NetworkPage, PAGE};
use ddpm_report::results::{DecomposeReport, DenoisingError, SampleQuality};
use ddpm_report::sections::Picture;
use ddpm_report::training_page::{
    DataFacts, DecompositionLink, LossPoint, Measured, PaperComparison, Pictures as Shown, RunFacts,
    Stage as StageFact, TrainingReport,
};
use ddpm_train::read_metrics;
use std::path::{Path, PathBuf};

/// Writes `report/index.html` and returns its path.
pub(super) fn write(run: &Run, dataset: &Dataset) -> Result<PathBuf> {
    let config = &run.config;
    let (steps, checkpoint) = run.dir.newest()?.context("no checkpoint to report on")?;
    let parameters = config.parameters()?;
    let loss = read_metrics(&run.dir.metrics())?
        .into_iter()
        .map(|line| LossPoint {
            step: line.step,
            loss: line.loss,
            gradient_norm: Some(line.gradient_norm),
            images_per_second: Some(line.images_per_second),
        })
        .collect();
    let quality = quality::read(run)?;
    let report = TrainingReport {
        name: run.name.clone(),
        data: data_facts(config.data.name, dataset),
        run: RunFacts {
            model: "U-Net".to_string(),
            parameters,
            steps,
            batch_size: config.train.batch_size,
            device: device_name(run.device),
            stages: stages(run),
            versions: versions(),
        },
        pictures: shown(run)?,
        loss,
        denoising: Some(DenoisingError::read(&checkpoint)?),
        classical: Some(read_result(&classical_path(run))?),
        decomposition: decomposition(run, &checkpoint)?,
        paper: (config.data.name == DatasetName::Cifar10)
            .then(|| beside_the_paper(parameters, steps, config.train.batch_size, quality.as_ref())),
        quality,
        neighbours: format!("{}/{PAGE}", quality::NEIGHBOURS),
        config_toml: config.to_toml()?,
        commands: commands(run),
    };
    let path = run.dir.report();
    report.write(&path)?;
    Ok(path)
}

/// The folder of the decomposition's page, beside the run's report.
const DECOMPOSITION: &str = "decomposition";

/// Writes the page of the decomposition where that stage has left one.
fn decomposition(run: &Run, checkpoint: &Path) -> Result<Option<DecompositionLink>> {
    let path = decomposition_path(run);
    if !path.exists() {
        return Ok(None);
    }
    let mut result: DecomposeReport = read_result(&path)?;
    result.sample_split = split::read(run)?.map(Box::new);
    let scheduler = read_scheduler(checkpoint)?;
    let schedule = scheduler.schedule();
    let paths = Pictures::of(&run.dir);
    let sample = &run.config.sample;
    let samples = Picture {
        encoded: std::fs::read(&paths.grid).with_context(|| paths.grid.display().to_string())?,
        scale: 1,
        caption: format!(
            "Samples: {} through {} noise levels; not selected.",
            sample.sampler.name(),
            sample.steps
        ),
    };
    let advice = result.advice.iter().flatten().cloned().chain(result.variance_note()).collect();
    let page = NetworkPage {
        result,
        schedule,
        pictures: vec![samples],
        run_page: Some(format!("../{PAGE}")),
        command: format!("ddpm reproduce {}", run.name),
        versions: versions(),
    };
    let folder = path.with_file_name(DECOMPOSITION);
    page.report()?.write(&folder)?;
    Ok(Some(DecompositionLink { address: format!("{DECOMPOSITION}/{PAGE}"), advice }))
}

fn data_facts(name: DatasetName, dataset: &Dataset) -> DataFacts {
    let shape = dataset.shape();
    let name = match name {
        DatasetName::Digits => "UCI digits",
        DatasetName::FashionMnist => "Fashion-MNIST",
        DatasetName::Cifar10 => "CIFAR-10",
        DatasetName::ImageFolder => "a folder of images",
    };
    DataFacts {
        name: name.to_string(),
        shape: [shape.channels, shape.height, shape.width],
        train_images: dataset.train.len(),
        held_out_images: dataset.held_out.as_ref().map_or(0, ImageSet::len),
    }
}

fn stages(run: &Run) -> Vec<StageFact> {
    let of = |(name, stage): (&str, Stage)| StageFact {
        name: name.to_string(),
        seconds: stage.mark(run).map(|mark| mark.seconds),
    };
    let mut stages: Vec<StageFact> =
        [("train", Stage::Train), ("sample", Stage::Sample), ("evaluate", Stage::Evaluate)].map(of).into();
    if run.config.quality.samples > 0 {
        stages.push(of(("quality", Stage::Quality)));
    }
    if run.config.quality.split_samples > 0 {
        stages.push(of(("split", Stage::Split)));
    }
    stages
}

fn shown(run: &Run) -> Result<Shown> {
    let paths = Pictures::of(&run.dir);
    let sample = &run.config.sample;
    let picture = |path: &Path, caption: String| -> Result<Option<Picture>> {
        let encoded = std::fs::read(path).with_context(|| path.display().to_string())?;
        Ok(Some(Picture { encoded, scale: 1, caption }))
    };
    Ok(Shown {
        samples: picture(
            &paths.grid,
            format!(
                "The first of {} samples: {} through {} noise levels, averaged weights, seed {}; not selected.",
                sample.num,
                sample.sampler.name(),
                sample.steps,
                sample.seed
            ),
        )?,
        data: picture(&paths.data, "As many training images in the same layout.".to_string())?,
        reverse: picture(
            &paths.trajectory,
            format!(
                "The reverse process of {} samples from noise (left) to image (right): {} states evenly spaced over the steps.",
                TRAJECTORY.images, TRAJECTORY.frames
            ),
        )?,
        forward: picture(
            &paths.forward,
            format!(
                "The forward process of {FORWARD_ROWS} training images: {} noise levels evenly spaced over the timesteps.",
                FORWARD_COLUMNS - 1
            ),
        )?,
    })
}

/// FID and IS are those of Inception's features; the report says what was not measured instead of leaving it out.
fn beside_the_paper(
    parameters: u64,
    steps: u64,
    batch_size: usize,
    quality: Option<&SampleQuality>,
) -> PaperComparison {
    let inception = quality.filter(|quality| quality.distance.metric == "fid");
    let missing = || Measured::Not("needs Inception features: quality.extractor = \"inception\"".to_string());
    let fid = inception.map_or_else(missing, |quality| Measured::Value(quality.distance.value));
    let score = inception.and_then(|quality| quality.class_score.as_ref());
    let score = score.map_or_else(missing, |score| {
        let [low, high] = score.interval;
        Measured::WithInterval(Interval { value: score.value, low, high })
    });
    let bound = quality.and_then(|quality| quality.likelihood.as_ref()).map_or_else(
        || Measured::Not("needs quality.likelihood_images".to_string()),
        |found| {
            let [low, high] = found.bits_interval;
            Measured::WithInterval(Interval { value: found.bits_per_dim, low, high })
        },
    );
    PaperComparison::ho2020_cifar10(parameters, steps, batch_size, score, fid, bound)
}

fn commands(run: &Run) -> Vec<String> {
    let root = run.dir.root().display();
    vec![
        format!("ddpm reproduce {}", run.name),
        format!("ddpm sample --checkpoint {root}/checkpoints/latest --num 64 --out grid.png"),
    ]
}
