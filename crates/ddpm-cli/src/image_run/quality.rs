//! The quality stage: samples of the newest checkpoint beside real images, and the likelihood of real images.

use super::evaluate::{read_result, write_result};
use crate::checkpoints::load_images;
use crate::config::{QualityConfig, QualityExtractor};
use crate::evaluation::{
    CheckpointSamples, ChosenExtractor, ComparedSets, Images, Kind, WantedExtractor, class_score, distance,
    features, load_extractor, of_folder, overlap, reference_features,
};
use crate::progress::Progress;
use crate::run::Run;
use crate::runtime::StopFlag;
use crate::stage_marks::{self, Stage};
use anyhow::Result;
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_data::samples::Existing;
use ddpm_data::{Dataset, ImageSet, ShuffledOrder};
use ddpm_eval::EvalError;
use ddpm_eval::extractor::{ExtractorChoice, FeatureExtractor, FeatureFile};
use ddpm_eval::likelihood::{ImagesToScore, Method, likelihood_of_images};
use ddpm_eval::sample_metrics::FeatureMoments;
use ddpm_nets::checkpoint::Checkpoint;
use ddpm_report::results::{Format, Likelihood, SampleQuality, SampledSet, SetDistance};
use std::path::{Path, PathBuf};
use torch_ext::dist::Workers;

/// Parts of the progress bar of a likelihood.
const PARTS: f64 = 1000.0;

/// The folder of the page of neighbours, beside the run's report.
pub(super) const NEIGHBOURS: &str = "neighbours";

/// Where the results of a run are kept.
fn path(run: &Run) -> PathBuf {
    run.dir.root().join("report").join("quality.json")
}

/// The results, if the run has any.
pub(super) fn read(run: &Run) -> Result<Option<SampleQuality>> {
    let path = path(run);
    if run.config.quality.samples == 0 || !path.exists() {
        return Ok(None);
    }
    Ok(Some(read_result(&path)?))
}

/// What samples are compared by, and with what.
pub(super) struct Comparison {
    extractor: Box<dyn FeatureExtractor>,
    /// For features that were trained for this: held-out images, and the share that is assigned to its class.
    accuracy: Option<(u64, f64)>,
    train: FeatureFile,
    held_out: Option<FeatureFile>,
    /// Whether the features are those of a network that did not see these images: the literature then compares with the training set.
    is_published: bool,
}

impl Comparison {
    /// Trains or loads the extractor, and extracts the features of the real images.
    ///
    /// `workers` share it: those of the run, or this process alone.
    pub(super) fn of(run: &Run, dataset: &Dataset, workers: &Workers, stop: &StopFlag) -> Result<Self> {
        let folder = features_folder(run);
        let wanted = wanted_extractor(run, dataset, &folder);
        let ChosenExtractor { choice, extractor, accuracy } = wanted.load(workers, stop)?;
        let data = run.config.data.name;
        let of = |images: &ImageSet, split: &str| {
            let images = Images { images: images.clone(), name: format!("{data}, {split}") };
            reference_features(&choice, extractor.as_ref(), &images, workers, stop)
        };
        let train = of(&dataset.train, "train")?;
        let held_out = dataset.held_out.as_ref().map(|images| of(images, "held-out")).transpose()?;
        let is_published = matches!(choice, ExtractorChoice::Inception(_) | ExtractorChoice::TorchScript(_));
        Ok(Comparison { extractor, accuracy, train, held_out, is_published })
    }

    /// The images that samples are compared with: held-out ones where the features were trained on the training set.
    fn real(&self) -> &FeatureFile {
        self.held_out.as_ref().filter(|_| !self.is_published).unwrap_or(&self.train)
    }

    /// The Fréchet distance of samples [n, c, h, w] of bytes.
    pub(super) fn distance_of(&self, samples: ImageSet, stop: &StopFlag) -> Result<f64> {
        let images = Images { images: samples, name: "samples".into() };
        let found = features(self.extractor.as_ref(), &images, &Workers::alone(), stop)?;
        let moments = |file: &FeatureFile| FeatureMoments::of(&file.set.features);
        Ok(moments(&found)?.frechet_distance(&moments(self.real())?)?)
    }
}

/// A network that has to be fetched is fetched before the run begins.
pub(super) fn check_extractor(run: &Run) -> Result<()> {
    match &run.config.quality.extractor {
        QualityExtractor::Given(choice) => load_extractor(choice, run.device).map(|_| ()),
        _ => Ok(()),
    }
}

/// The extractor that `[quality]` asks for; `folder` is where the data set's own classifier lies.
pub(super) fn wanted_extractor<'a>(
    run: &'a Run,
    dataset: &'a Dataset,
    folder: &'a Path,
) -> WantedExtractor<'a> {
    WantedExtractor {
        extractor: &run.config.quality.extractor,
        data: &run.config.data,
        dataset,
        folder,
        seed: run.config.train.seed,
        device: run.device,
    }
}

/// The folder of the classifier of the data set's own images.
pub(super) fn features_folder(run: &Run) -> PathBuf {
    folder(run).join("features")
}

/// The folder of what is needed for the measurements alone.
pub(super) fn folder(run: &Run) -> PathBuf {
    run.dir.root().join("quality")
}

/// Measures the samples as `[quality]` says, unless that was done.
pub(super) fn measure_if_needed(run: &Run, dataset: &Dataset, stop: &StopFlag) -> Result<()> {
    let config = &run.config.quality;
    if config.samples == 0 {
        return Ok(());
    }
    if read_result::<SampleQuality>(&path(run)).is_err() {
        Stage::Quality.forget(run)?;
    }
    let sample = &run.config.sample;
    let inputs = (config, sample.steps, sample.grid, &sample.sampler, sample.seed);
    Stage::Quality.unless_done(run, &stage_marks::inputs(run, &inputs)?, || {
        let found = measure(run, dataset, config, stop)?;
        found.map_or(Ok(()), |found| write_result(&path(run), &found))
    })
}

/// The measurements, in the first of the run's processes, which share the work.
fn measure(
    run: &Run,
    dataset: &Dataset,
    config: &QualityConfig,
    stop: &StopFlag,
) -> Result<Option<SampleQuality>> {
    let workers = &run.workers;
    let comparison = Comparison::of(run, dataset, workers, stop)?;
    let (extractor, real) = (comparison.extractor.as_ref(), comparison.real());
    let dir = run.dir.latest();
    let step = run.dir.newest()?.map_or(0, |(step, _)| step);
    let checkpoint = load_images(&dir, run.device)?;
    let steps = if config.steps == 0 { run.config.sample.steps } else { config.steps };
    let drawn = draw(run, &checkpoint, &dir, config.samples, steps, stop)?;
    let of_samples = features(extractor, &drawn, workers, stop)?;
    let noise = Images {
        images: noise_like(&dataset.train, drawn.images.len(), run.config.sample.seed)?,
        name: "noise".into(),
    };
    let of_noise = features(extractor, &noise, workers, stop)?;
    let likelihood = likelihood(run, &checkpoint, dataset, config.likelihood_images, stop)?;
    if !workers.is_first() {
        return Ok(None);
    }
    let mut class = of_samples.set.logits.as_ref().map(|_| class_score(&of_samples)).transpose()?;
    if let Some(class) = &mut class {
        class.reference_value = Some(class_score(real)?.value);
    }
    let sets = ComparedSets {
        samples: &drawn,
        train: &Images { images: dataset.train.clone(), name: comparison.train.images.clone() },
        of_samples: &of_samples,
        of_train: &comparison.train,
        of_held_out: comparison.held_out.as_ref(),
    };
    let page = sets.page(format!("ddpm reproduce {}", run.name), stop)?;
    page.write(&path(run).with_file_name(NEIGHBOURS))?;
    let between = |file| -> Result<SetDistance> { distance(Kind::Frechet, file, real, stop) };
    Ok(Some(SampleQuality {
        format: Format,
        step,
        samples: SampledSet {
            num: config.samples,
            sampler: run.config.sample.sampler.name().into(),
            steps: steps as u64,
            seed: run.config.sample.seed,
        },
        against: real.images.clone(),
        classifier_accuracy: comparison.accuracy,
        distance: between(&of_samples)?,
        kernel_distance: distance(Kind::Kernel, &of_samples, real, stop)?,
        overlap: overlap(&of_samples, real, stop)?,
        noise: between(&of_noise)?,
        class_score: class,
        memorization: page.result.summary,
        likelihood,
    }))
}

/// Samples of the newest checkpoint, in the run's folder.
fn draw(
    run: &Run,
    checkpoint: &Checkpoint,
    dir: &Path,
    num: u64,
    steps: usize,
    stop: &StopFlag,
) -> Result<Images> {
    let sample = &run.config.sample;
    let samples = CheckpointSamples {
        checkpoint,
        dir,
        scheme: sample.scheme(checkpoint.scheduler.variance())?,
        steps,
        grid: sample.grid,
        chosen: None,
        tolerance: sample.sampler.tolerance(),
        num,
        batch_size: sample.batch_size,
        seed: sample.seed,
        device: run.device,
    };
    let folder = folder(run).join("samples");
    if run.workers.is_first() {
        std::fs::create_dir_all(&folder)?;
    }
    // The folder is the run's.
    let folder = samples.write(Some(&folder), Existing::Replace, &run.workers, stop)?;
    let mut images = of_folder(&folder)?;
    images.name = format!("samples of {}", run.name);
    Ok(images)
}

/// Images of independent normal pixels of standard deviation 1 in model space, clipped.
fn noise_like(images: &ImageSet, count: usize, seed: u64) -> Result<ImageSet> {
    let (shape, source) = (images.shape(), NoiseSource::new(seed, Purpose::Evaluation));
    let mut pixels = Vec::with_capacity(count * shape.dimension());
    let mut row = vec![0f32; shape.dimension()];
    for image in 0..count as u64 {
        source.fill_normal(image, 0, &mut row);
        pixels.extend(row.iter().map(|value| (127.5 * (value + 1.0)).clamp(0.0, 255.0) as u8));
    }
    Ok(ImageSet::new(shape, pixels)?)
}

fn likelihood(
    run: &Run,
    checkpoint: &Checkpoint,
    dataset: &Dataset,
    count: usize,
    stop: &StopFlag,
) -> Result<Option<Likelihood>> {
    if count == 0 {
        return Ok(None);
    }
    let (images, split) = match &dataset.held_out {
        Some(images) => (images, "held-out"),
        None => (&dataset.train, "train"),
    };
    let seed = run.config.eval.seed;
    let indices = ShuffledOrder::new(seed, images.len())?.choice(count);
    let batch_size = run.config.eval.batch_size;
    let of = ImagesToScore { images, indices: &indices, batch_size, seed, device: run.device };
    let mut bar = Progress::new("nll", "parts", 0, PARTS as u64);
    let found = likelihood_of_images(checkpoint, &of, &Method::Bound, &run.workers, &mut |share| {
        bar.set((PARTS * share) as u64, || format!("of {} images", indices.len()));
        if stop.is_set() { Err(EvalError::Interrupted) } else { Ok(()) }
    })?;
    let name = format!("{}, {split}", run.config.data.name);
    let model = run.dir.latest().display().to_string();
    Ok(Some(found.report(&Method::Bound, images.shape().dimension(), model, name)?))
}
