//! The report of a run on vectors: the error of its score on the standard output, a picture, a page.

use crate::config::{Configuration, VectorConfig};
use crate::output;
use crate::process_pictures::{forward, reverse};
use crate::run::Run;
use crate::runtime::{StopFlag, device_name};
use anyhow::Result;
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::transport::{Cloud, sliced_w2};
use ddpm_core::{Level, Noising, Target};
use ddpm_eval::score::{field_panel, score_errors};
use ddpm_nets::checkpoint::VectorCheckpoint;
use ddpm_nets::{MlpOutput, ScoreDenoiser, ScoreNetwork, tensor_file};
use ddpm_report::kit::number;
use ddpm_report::results::ScoreError;
use ddpm_report::score_page::{PlanePicture, ScoreReport, density_panel, error_table};
use ddpm_report::sections::Picture;
use ddpm_sample::Samples;
use ddpm_train::{Metrics, read_metrics};
use std::fmt::Write;
use std::path::PathBuf;
use tch::Kind;

/// Points in a panel of the picture.
const POINTS: usize = 1000;
/// Directions of the sliced distance.
const DIRECTIONS: usize = 64;
/// Standard deviations of the data that the picture shows to each side.
const REACH: f64 = 2.4;

/// Measures the score, prints its errors, and writes the samples, the picture and the page; returns the page's path.
pub(super) fn write(
    run: &Run<VectorConfig>,
    target: &Target,
    checkpoint: &VectorCheckpoint,
    samples: &Samples,
    stop: &StopFlag,
) -> Result<PathBuf> {
    let denoiser = ScoreDenoiser(&checkpoint.network);
    let eval = &run.config.eval;
    let levels = checkpoint.noising.spread(eval.levels)?;
    let state = "checkpoints are kept; the same command goes on with the evaluation";
    let errors = stop.abandonable(state, || {
        Ok(score_errors(&denoiser, target, &levels, eval.samples, eval.seed, run.device)?)
    })?;
    let table = errors_as_text(&errors)?;

    let rows: Vec<Vec<f64>> = Vec::try_from(samples.x.to_kind(Kind::Double))?;
    let folder = run.dir.samples();
    std::fs::create_dir_all(&folder)?;
    tensor_file::write(&folder.join("samples.safetensors"), [("samples", &samples.x)])?;
    let picture = if target.dim() == 2 { Some(picture(run, target, checkpoint, &rows)?) } else { None };
    if let Some(picture) = &picture {
        picture.write_svg(&folder.join("plane.svg"))?;
    }
    let metrics = read_metrics(&run.dir.metrics())?;
    let last_level = checkpoint.noising.level_at(0.0)?;
    let modes = modes(target, &rows, &last_level);
    let report = ScoreReport {
        name: run.name.clone(),
        summary: summary(run, target),
        facts: facts(run, checkpoint, metrics.last()),
        loss: metrics.iter().map(|line| (line.step as f64, line.loss)).collect(),
        errors,
        modes,
        distance: distance(target, &rows, run.config.sample.seed)?,
        picture,
        processes: processes(run, target, checkpoint, samples)?,
        config_toml: run.config.to_toml()?,
        commands: commands(run),
    };
    let path = run.dir.report();
    report.write(&path)?;
    // Last, because a standard output that cannot be written is an error.
    output::print(&table)?;
    Ok(path)
}

fn errors_as_text(errors: &[ScoreError]) -> Result<String> {
    let mut text = format!("{}\n", error_table(errors).to_text(output::width())?);
    if let Some(worst) = errors.iter().max_by(|a, b| a.relative.total_cmp(&b.relative)) {
        writeln!(text, "largest: {:.3} % at sigma = {:.4}", 100.0 * worst.relative, worst.sigma)?;
    }
    Ok(text)
}

/// The forward process on samples of the target and the reverse process of the trained network, of data in one or two dimensions.
fn processes(
    run: &Run<VectorConfig>,
    target: &Target,
    checkpoint: &VectorCheckpoint,
    samples: &Samples,
) -> Result<Vec<Picture>> {
    if target.dim() > 2 || samples.frames.is_empty() {
        return Ok(Vec::new());
    }
    let (what, order) = match target.dim() {
        1 => ("Paths over the noise levels", "to the right"),
        _ => ("A plane for each noise level", "from left to right and from top to bottom"),
    };
    let sampler = run.config.sample.sampler.name();
    let forward = forward(target, &checkpoint.noising, run.config.sample.seed)?;
    let reverse = reverse(samples, &ScoreDenoiser(&checkpoint.network))?;
    let scaled = "in units of sqrt(alpha² + sigma²) where that exceeds 1";
    let captions = [
        format!("{what}: samples of the target with more and more noise {order}, the data first, {scaled}."),
        format!(
            "{what}: the way of the network's samples ({sampler}) {order}, the most noise first, {scaled}. Short lines are the learned score."
        ),
    ];
    [forward, reverse]
        .iter()
        .zip(captions)
        .map(|(picture, caption)| {
            Ok(Picture { encoded: picture.picture()?.encode_png()?, scale: 1, caption })
        })
        .collect()
}

/// The law with its samples, the learned field at the least and at a middling noise, and the data.
fn picture(
    run: &Run<VectorConfig>,
    target: &Target,
    checkpoint: &VectorCheckpoint,
    rows: &[Vec<f64>],
) -> Result<PlanePicture> {
    let least = checkpoint.noising.level_at(0.0)?;
    let middle = middling(&checkpoint.noising)?;
    let law = target.matched_gaussian()?;
    let (mean, covariance) = (law.mean().to_vec(), law.covariance().map(|value| value));
    let reach = REACH * covariance[(0, 0)].max(covariance[(1, 1)]).sqrt();
    let mut picture = PlanePicture {
        description: format!(
            "{}: contours of the exact density with samples of the trained network; its score (thin) over the exact one (broad) where there \
             is least noise, and at sigma = {:.2}. An arrow's length saturates where scores are large.",
            run.name,
            middle.sigma()
        ),
        low: [mean[0] - reach, mean[1] - reach],
        side: 2.0 * reach,
        panels: Vec::new(),
    };
    let points: Vec<[f64; 2]> = rows.iter().take(POINTS).map(|row| [row[0], row[1]]).collect();
    let denoiser = ScoreDenoiser(&checkpoint.network);
    let sampler = run.config.sample.sampler.name();
    let title = |level: &Level| format!("score at sigma = {:.3}", level.sigma());
    let panels = vec![
        density_panel(&picture, format!("samples ({sampler})"), target, &least, points),
        field_panel(&picture, title(&least), target, &least, &denoiser, run.device)?,
        field_panel(&picture, title(&middle), target, &middle, &denoiser, run.device)?,
    ];
    picture.panels = panels;
    Ok(picture)
}

/// The level where noise is about half as large as the data: modes begin to merge.
fn middling(noising: &Noising) -> Result<Level> {
    const WANTED: f64 = 1.4;
    let levels = noising.spread(200)?;
    let distance = |level: &Level| (level.log_snr() - WANTED).abs();
    let closest = levels.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
    Ok(closest.copied().map_or_else(|| noising.level_at(0.5), Ok)?)
}

/// Weight of each component, and the share of samples that most likely come from it.
fn modes(target: &Target, rows: &[Vec<f64>], level: &Level) -> Vec<(f64, f64)> {
    let Target::Mixture(law) = target else { return Vec::new() };
    let mut shares = vec![0.0; law.components().len()];
    for row in rows {
        let (responsibilities, _) = law.responsibilities(row, level);
        for (share, responsibility) in shares.iter_mut().zip(responsibilities) {
            *share += responsibility / rows.len() as f64;
        }
    }
    law.components().iter().map(|component| component.weight).zip(shares).collect()
}

/// Sliced W2 to exact samples, and between two sets of exact samples.
fn distance(target: &Target, rows: &[Vec<f64>], seed: u64) -> Result<Option<(f64, f64)>> {
    let n = rows.len() as u64;
    let source = NoiseSource::new(seed, Purpose::Evaluation);
    let exact =
        |from: u64| -> Vec<f64> { (from..from + n).flat_map(|i| target.sample(&source, i)).collect() };
    let (first, second, got) = (exact(0), exact(n), rows.concat());
    let d = target.dim();
    let cloud = |values| Cloud::new(d, values);
    let distance = sliced_w2(&cloud(&got)?, &cloud(&first)?, DIRECTIONS, seed)?;
    Ok(Some((distance, sliced_w2(&cloud(&second)?, &cloud(&first)?, DIRECTIONS, seed)?)))
}

fn summary(run: &Run<VectorConfig>, target: &Target) -> String {
    let train = &run.config.train;
    format!(
        "A perceptron learned the score of a {}-dimensional law at every noise level in {} steps of {} fresh samples.",
        target.dim(),
        train.steps,
        train.batch_size
    )
}

fn facts(
    run: &Run<VectorConfig>,
    checkpoint: &VectorCheckpoint,
    last: Option<&Metrics>,
) -> Vec<(String, String)> {
    let config = &run.config;
    let objective = toml::to_string(&config.objective).unwrap_or_default();
    let output = match config.model.output {
        MlpOutput::Score => "the score",
        MlpOutput::Energy => "an energy, whose falling slope is the score",
    };
    let mut facts = vec![
        ("objective".to_string(), objective.trim().replace('\n', ", ")),
        ("output of the network".to_string(), output.to_string()),
        ("parameters".to_string(), number::count(checkpoint.network.parameters().count())),
        ("steps".to_string(), number::count(config.train.steps)),
        ("batch size".to_string(), config.train.batch_size.to_string()),
        ("device".to_string(), device_name(run.device)),
        ("ddpm".to_string(), format!("{} ({})", env!("CARGO_PKG_VERSION"), env!("DDPM_COMMIT"))),
    ];
    if let Some(line) = last {
        facts.push(("training".to_string(), crate::progress::human_seconds(line.elapsed_seconds)));
    }
    facts
}

fn commands(run: &Run<VectorConfig>) -> String {
    let checkpoint = run.dir.latest();
    format!(
        "ddpm reproduce {}\nddpm sample --checkpoint {} --num 10000 --out samples.safetensors",
        run.name,
        checkpoint.display()
    )
}
