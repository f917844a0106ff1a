//! The small classifier of a data set's own images whose features compare sets of such images: a run like those of `ddpm train`.

use super::image_set::{Images, features};
use crate::config::{ClassifierConfig, ImageData, RunConfig};
use crate::run::Run;
use crate::runtime::StopFlag;
use crate::stages::Stages;
use anyhow::{Context, Result, bail, ensure};
use ddpm_data::{Dataset, DatasetName};
use ddpm_eval::EvalError;
use ddpm_eval::extractor::ClassifierFeatures;
use ddpm_train::Outcome;
use std::path::Path;
use tch::Device;
use torch_ext::dist::Workers;

/// Images for each feature of half of the held-out split: the distance between its halves then has an interval.
const IMAGES_PER_FEATURE: usize = 10;
/// Most features.
const MOST: usize = 64;
/// Fewest features.
const FEWEST: usize = 8;
/// Groups of the norms; widths are multiples of it.
const GROUPS: usize = 4;
/// Steps of training.
const STEPS: u64 = 600;

/// A trained classifier.
pub(crate) struct TrainedFeatures {
    /// Its features.
    pub(crate) extractor: ClassifierFeatures,
    /// Share of the held-out images that it assigns to their class.
    pub(crate) accuracy: f64,
    /// Number of features.
    pub(crate) count: i64,
    /// Held-out images.
    pub(crate) tested: usize,
}

/// Whether a data set has what a classifier is trained and tested on: classes and held-out images.
pub(crate) fn has_classes(dataset: &Dataset) -> bool {
    dataset.held_out.is_some() && dataset.train.labels().is_some() && dataset.train.class_names().len() >= 2
}

/// Trains the classifier of a data set in `folder`, or what is left of its training, and tests it on the held-out images. The same data and seed
/// give the same classifier.
pub(crate) fn train_features(
    data: &ImageData,
    dataset: &Dataset,
    folder: &Path,
    seed: u64,
    device: Device,
    stop: &StopFlag,
) -> Result<TrainedFeatures> {
    let text = configuration(data.name, dataset, seed)?;
    let RunConfig::Classifier(mut config) = RunConfig::parse(&text, &[])? else {
        bail!("the configuration of a classifier is another's");
    };
    config.data = ImageData { stream: false, ..data.clone() };
    let run = Run::new("features".into(), *config, Some(folder.to_path_buf()), device);
    let trained = run.dir.newest_intact()?.is_some_and(|(step, _)| step >= STEPS);
    run.check_unchanged()?;
    if !trained {
        let _lock = run.dir.lock()?;
        if let Outcome::Interrupted { .. } = ClassifierConfig::train_model(&run, dataset, true, stop)? {
            return Err(EvalError::Interrupted.into());
        }
    }
    let held_out = dataset.held_out.clone().context("no held-out images")?;
    let labels = held_out.labels().map(<[i64]>::to_vec).context("no labels")?;
    let extractor = ClassifierFeatures::load(&run.dir.latest(), device)?;
    let images = Images { images: held_out, name: format!("{}, held-out", data.name) };
    let found = features(&extractor, &images, &Workers::alone(), stop)?;
    let logits = found.set.logits.context("a classifier without classes")?;
    Ok(TrainedFeatures {
        accuracy: ClassifierFeatures::accuracy(&logits, &labels)?,
        count: found.set.features.size()[1],
        tested: labels.len(),
        extractor,
    })
}

/// The run's configuration, by the images' size and number.
fn configuration(name: DatasetName, dataset: &Dataset, seed: u64) -> Result<String> {
    let held_out = dataset.held_out.as_ref().with_context(|| {
        format!(
            "{name} has no held-out images to test a classifier on; expected a folder `test` beside `train`"
        )
    })?;
    ensure!(
        dataset.train.labels().is_some() && dataset.train.class_names().len() >= 2,
        "{name} has no classes to train a classifier on; use --extractor pixels or inception"
    );
    let shape = dataset.shape();
    let mut levels = 1;
    while levels < 3
        && [shape.height, shape.width].iter().all(|side| (side >> levels) >= 4 && side % (1 << levels) == 0)
    {
        levels += 1;
    }
    let features = (held_out.len() / IMAGES_PER_FEATURE / GROUPS * GROUPS).clamp(FEWEST, MOST);
    let widths = [&[16, 32][..levels - 1], &[features]].concat();
    Ok(format!(
        "clean_images = true

[data]
name = \"{name}\"

[classifier]
sample_size = [{}, {}]
in_channels = {}
num_classes = {}
block_out_channels = {widths:?}
layers_per_block = 1
down_block_types = {:?}
norm_num_groups = {GROUPS}

[train]
steps = {STEPS}
batch_size = 128
learning_rate = 2e-3
learning_rate_decay = \"cosine\"
warmup_steps = 50
gradient_clip = 1.0
checkpoint_every = 0
log_every = 20
seed = {seed}

[train.ema]
decay = 0.99
ramp = true
",
        shape.height,
        shape.width,
        shape.channels,
        dataset.train.class_names().len(),
        vec!["DownBlock2D"; levels],
    ))
}
