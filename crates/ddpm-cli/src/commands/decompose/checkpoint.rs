//! The error decomposition of a trained network on a data set.

use super::arguments::{Decompose, NetworkOptions};
use crate::checkpoints::load_images;
use crate::config::{ImageData, QualityExtractor};
use crate::datasets::report_unread;
use crate::evaluation::{OwnPathJob, SplitJob, StepErrorJob, StudiedSampler, Trial, WantedExtractor};
use crate::given::Given;
use crate::global_options::Global;
use crate::image_model::image_shape;
use crate::image_run::measure;
use crate::levels_file;
use crate::runtime::{self, StopFlag};
use crate::sampler_options::Origin;
use crate::terminal_noise::warn_of_signal;
use crate::workers::{self, in_turn};
use anyhow::{Context, Result, ensure};
use ddpm_core::{ChosenLevels, Schedule, Scheme, TimeIndex, Variance};
use ddpm_data::{Dataset, DatasetName, Loaded, Source, datasets_dir, sha256_bytes};
use ddpm_eval::{EvalConfig, NetworkStudy, Spectrum, StudyNames, StudySettings, decompose};
use ddpm_nets::checkpoint::Checkpoint;
use ddpm_report::results::DecomposeReport;
use std::path::{Path, PathBuf};
use torch_ext::dist::Workers;

impl Decompose {
    /// Measures a checkpoint and decomposes its error, and with --samples the distance of its samples.
    pub(super) fn network(&self, dir: &Path, global: &Global, stop: &StopFlag) -> Result<DecomposeReport> {
        let options = &self.network;
        let is_ancestral = self.check_sampler(&global.given)?;
        ensure!(options.data.is_some(), "--data is needed with --checkpoint of a network on images");
        let config = options.config(global)?;
        let workers = workers::join()?;
        let device = runtime::prepare(global.device, global.threads)?;
        let checkpoint = load_images(dir, device)?;
        warn_of_signal(checkpoint.scheduler.noising())?;
        let reference = options
            .reference
            .as_ref()
            .map(|dir| Ok::<_, anyhow::Error>((dir, load_images(dir, device)?)))
            .transpose()?;
        if let Some((dir, reference)) = &reference {
            check_reference(dir, reference, &checkpoint)?;
        }
        let scheme = self.sampler.scheme(checkpoint.scheduler.variance(), None, Origin::CommandLine)?;
        let chosen = self.visited.as_deref().map(levels_file::read).transpose()?;
        let steps = match &chosen {
            // On a schedule the last step leads to data; along a process there is one fewer than levels.
            Some(chosen) => chosen.trajectory(checkpoint.scheduler.noising())?.steps(),
            None => self.steps.unwrap_or(checkpoint.scheduler.noising().default_steps()),
        };
        ensure!(steps >= 2, "--steps must be at least 2 for a checkpoint, got {steps}");
        let most = checkpoint.scheduler.noising().default_steps();
        if let Some(samples) = self.samples {
            SplitJob::fine_steps(&scheme, steps, self.split.fine_steps, most, u64::from(samples))?;
        }
        let name = options.data.context("--data is needed with --checkpoint")?;
        let images = options.images.of(name, &global.given)?;
        let source = Source::from_data_dir(options.data_dir.as_deref())?;
        let Loaded { dataset: data, unread } =
            in_turn(&workers, || Ok(ddpm_data::load_with(name, &source, &images)?))?;
        report_unread(&unread);
        check_data(dir, &checkpoint, name, &data)?;

        let mut report = if is_ancestral {
            let settings = StudySettings {
                grid: self.grid,
                steps,
                chosen: chosen.clone(),
                variance: self.sampler.variance,
                flips: options.flips.unwrap_or_else(|| trained_with_flips(dir)),
            };
            let names = StudyNames {
                checkpoint: dir.display().to_string(),
                data: name.to_string(),
                ..StudyNames::default()
            };
            let mut study = NetworkStudy::of(&checkpoint, &settings, names)?.among(workers.clone());
            if let Some((dir, reference)) = &reference {
                study = study.with_reference(dir.display().to_string(), reference);
            }
            let measured = measure(&study, &data, &config, device, stop)?;
            decompose(&study, &measured, &Spectrum::of_images(&data.train)?)?
        } else {
            DecomposeReport {
                checkpoint: Some(dir.display().to_string()),
                schedule: Some(checkpoint.scheduler.config().name().to_owned()),
                sampler: Some(scheme.name().to_owned()),
                steps,
                dim: data.shape().dimension(),
                ..DecomposeReport::default()
            }
        };
        let sampler = StudiedSampler {
            checkpoint: &checkpoint,
            dir,
            scheme,
            steps,
            grid: self.grid,
            chosen,
            batch_size: self.split.sample_batch.unwrap_or(SplitJob::usual_batch(data.shape())),
            seed: global.seed.unwrap_or(0),
            epsilon_scale: self.split.epsilon_scale,
            device,
        };
        if let Some(samples) = self.own_path {
            let (samples, data_name) = (u64::from(samples), name.to_string());
            let job = OwnPathJob { sampler: &sampler, samples, data_name };
            report.own_path = Some(Box::new(job.run(&data, stop)?));
        }
        self.of_samples(&sampler, &data, &mut report, &workers, stop)?;
        if let Some(path) = self.write_levels.as_deref().filter(|_| workers.is_first()) {
            let recommended = recommended_levels(&report);
            levels_file::write(
                path,
                &recommended.context("--write-levels: no levels are recommended here")?,
            )?;
            note!("levels: {}", path.display());
        }
        Ok(report)
    }

    /// Whether the sampler is the ancestral one, which alone has divergences; for others the split of the samples' distance must be asked for, and
    /// nothing else may be.
    fn check_sampler(&self, given: &Given) -> Result<bool> {
        let own = self.sampler.variance.unwrap_or(Variance::FixedLarge);
        let scheme = self.sampler.scheme(own, None, Origin::CommandLine)?;
        if self.step_errors.is_some() {
            StepErrorJob::check(&scheme)?;
        }
        if self.own_path.is_some() {
            OwnPathJob::check(&scheme)?;
        }
        if matches!(scheme, Scheme::Ddpm { .. }) {
            ensure!(
                !self.sampler.variance.is_some_and(Variance::is_learned),
                "a learned variance differs from component to component; choose --variance fixed-small, fixed-large or analytic"
            );
            return Ok(true);
        }
        let name = scheme.name();
        ensure!(
            self.samples.is_some() || self.step_errors.is_some() || self.own_path.is_some(),
            "--sampler {name}: the divergences of a network are those of the sampler ddpm; --samples N splits the distance of the samples of {name}"
        );
        given.refuse(
            &["reference", "flips", "max_images", "levels", "repeats", "batch_size", "all"],
            &format!("with --sampler {name}, of which the samples alone are compared"),
        )?;
        Ok(false)
    }

    /// Adds what is measured on samples: what the sampler's steps cost, and the split of the samples' distance with the effect of the recommended
    /// levels, in the first of several processes.
    fn of_samples(
        &self,
        sampler: &StudiedSampler<'_>,
        data: &Dataset,
        report: &mut DecomposeReport,
        workers: &Workers,
        stop: &StopFlag,
    ) -> Result<()> {
        if self.samples.is_none() && self.step_errors.is_none() {
            return Ok(());
        }
        let options = &self.split;
        let name = self.network.data.context("--data is needed with --checkpoint")?;
        let own = QualityExtractor::Own;
        let folder = own_features_folder(name, data)?;
        let wanted = WantedExtractor {
            extractor: options.extractor.as_ref().unwrap_or(&own),
            data: &ImageData::of(name),
            dataset: data,
            folder: &folder,
            seed: 0,
            device: sampler.device,
        };
        let loaded = wanted.load(workers, stop)?;
        let extractor = loaded.extractor.as_ref();
        let fine_steps = options.fine_steps;
        if let Some(paths) = self.step_errors {
            let job = StepErrorJob { sampler, fine_steps, paths: u64::from(paths), extractor };
            report.step_errors = Some(Box::new(job.run(stop)?));
        }
        if let Some(samples) = self.samples {
            let trials = recommended(report, sampler.scheme, sampler.chosen.as_ref()).into_iter().collect();
            let (samples, data_name) = (u64::from(samples), name.to_string());
            let job = SplitJob { sampler, fine_steps, trials, samples, extractor, data_name };
            report.sample_split = job.run(data, workers, stop)?.map(Box::new);
        }
        Ok(())
    }
}

/// The levels that a report recommends: by the costs of steps, or by the divergences.
fn recommended_levels(report: &DecomposeReport) -> Option<ChosenLevels> {
    if let Some(errors) = &report.step_errors {
        return errors.placement.as_deref().map(levels_file::of_placement);
    }
    let levels = &report.network.as_ref()?.advice.best_levels;
    let timesteps: Vec<TimeIndex> = levels.iter().map(|t| TimeIndex(t.saturating_sub(1))).collect();
    Some(ChosenLevels::of_timesteps(&timesteps))
}

/// The recommended change of a sampler, if it is one.
fn recommended(report: &DecomposeReport, scheme: Scheme, chosen: Option<&ChosenLevels>) -> Option<Trial> {
    let levels = recommended_levels(report)?;
    let steps = report.steps;
    let advice = report.network.as_ref().map(|network| &network.advice);
    let best = advice.map(|advice| advice.best_variance).filter(|_| report.step_errors.is_none());
    let (scheme, variance) = match best {
        // A fitted variance needs stored errors, which a checkpoint may not have.
        Some(variance) if report.variance != Some(variance) && variance != Variance::Analytic => {
            (Scheme::Ddpm { variance }, format!(" and variance {variance}"))
        }
        _ => (scheme, String::new()),
    };
    if chosen == Some(&levels) && variance.is_empty() {
        return None;
    }
    let by = if report.step_errors.is_some() { "the costs of its steps" } else { "the divergences" };
    Some(Trial { change: format!("the {steps} levels{variance} that {by} recommend"), scheme, levels })
}

/// Where the classifier of a data set's own images is kept, by the images.
fn own_features_folder(name: DatasetName, data: &Dataset) -> Result<PathBuf> {
    let key = format!("{name} {}", sha256_bytes(data.train.pixels()));
    let folder = datasets_dir()?.with_file_name("classifiers").join(&sha256_bytes(key.as_bytes())[..16]);
    std::fs::create_dir_all(&folder).with_context(|| format!("the cache folder {}", folder.display()))?;
    Ok(folder)
}

impl NetworkOptions {
    fn config(&self, global: &Global) -> Result<EvalConfig> {
        let default = EvalConfig::default();
        let config = EvalConfig {
            levels: self.levels.unwrap_or(default.levels),
            max_images: self.max_images.unwrap_or(default.max_images),
            repeats: self.repeats.unwrap_or(default.repeats),
            batch_size: self.batch_size.unwrap_or(default.batch_size),
            seed: global.seed.unwrap_or(default.seed),
            ..default
        };
        let flag = |ok, name, expected, got: usize| {
            ensure!(ok, "--{name} must be {expected}, got {got}");
            Ok(())
        };
        flag(config.levels != 1, "levels", "0 (all) or at least 2", config.levels)?;
        flag(config.max_images != 1, "max-images", "0 (all) or at least 2", config.max_images)?;
        flag(config.repeats >= 1, "repeats", "at least 1", config.repeats)?;
        flag(config.batch_size >= 1, "batch-size", "at least 1", config.batch_size)?;
        Ok(config)
    }
}

/// What a run of this program wrote beside its weights; other checkpoints say nothing of flips. The training state need not be intact.
fn trained_with_flips(dir: &Path) -> bool {
    let path = dir.join("state").join("config.toml");
    if !path.exists() {
        return false;
    }
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let Ok(Some(train)) = text.parse::<toml::Table>().map(|mut table| table.remove("train")) else {
        tracing::warn!(
            "{}: cannot be read, so that training is taken to be without mirror images; --flips true says otherwise",
            path.display()
        );
        return false;
    };
    train.get("horizontal_flips").and_then(toml::Value::as_bool).unwrap_or(false)
}

/// Refuses data that the network cannot have been trained on.
fn check_data(dir: &Path, checkpoint: &Checkpoint, name: DatasetName, data: &Dataset) -> Result<()> {
    let (dir, shape) = (dir.display(), data.shape());
    let images = [shape.channels, shape.height, shape.width].map(|side| side as i64);
    let expected = image_shape(checkpoint);
    ensure!(
        images == expected,
        "--data {name}: its images are {shape}, but {dir} was trained on {}x{}x{}",
        expected[0],
        expected[1],
        expected[2]
    );
    if let Some(known) = &checkpoint.classes {
        ensure!(
            data.train.labels().is_some(),
            "--data {name}: {dir} is class-conditional and needs labels, but the images have none"
        );
        let (classes, known) = (data.train.class_names().len(), known.labels());
        // A checkpoint of another program may have a row for no class without saying so.
        let unsaid = checkpoint.classes.as_ref().is_some_and(|known| known.null().is_none());
        ensure!(
            classes == known.len() || unsaid && classes + 1 == known.len(),
            "--data {name}: it has {classes} classes, but {dir} was trained on {}",
            known.len()
        );
    }
    Ok(())
}

/// Refuses a reference whose errors cannot be compared level by level and image by image.
fn check_reference(dir: &Path, reference: &Checkpoint, checkpoint: &Checkpoint) -> Result<()> {
    let dir = dir.display();
    let (own, other) = (image_shape(checkpoint), image_shape(reference));
    ensure!(
        own == other,
        "--reference {dir}: it was trained on images of shape {other:?}, the checkpoint on {own:?}"
    );
    let same = |a: &Schedule, b: &Schedule| {
        let level = |schedule: &Schedule, t: usize| schedule.level(TimeIndex(t as u32)).log_snr();
        let close = |t: usize| level(a, t) == level(b, t) || (level(a, t) - level(b, t)).abs() < 1e-9;
        a.scale() == b.scale() && a.steps() == b.steps() && (0..a.steps()).all(close)
    };
    ensure!(
        same(checkpoint.scheduler.schedule(), reference.scheduler.schedule()),
        "--reference {dir}: it has another noise schedule ({}, {} levels) than the checkpoint ({}, {} levels)",
        reference.scheduler.config().name(),
        reference.scheduler.schedule().steps(),
        checkpoint.scheduler.config().name(),
        checkpoint.scheduler.schedule().steps()
    );
    let classes = |checkpoint: &Checkpoint| checkpoint.network.config().num_class_embeds;
    ensure!(
        classes(reference) == classes(checkpoint),
        "--reference {dir}: checkpoint and reference must be told the same classes; one has {:?} embeddings, the other {:?}",
        classes(checkpoint),
        classes(reference)
    );
    Ok(())
}
