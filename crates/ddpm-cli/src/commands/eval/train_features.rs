//! `ddpm eval train-features`: a small classifier of a data set's own images, whose features compare sets of such images.

use super::image_set::{DataOptions, Images, features};
use crate::config::RunConfig;
use crate::datasets::load_data;
use crate::global_options::Global;
use crate::output::print;
use crate::run::Run;
use crate::runtime::{self, StopFlag};
use crate::stages::AnyRun;
use anyhow::{Context, Result, bail, ensure};
use ddpm_data::{Dataset, DatasetName};
use ddpm_eval::extractor::ClassifierFeatures;
use std::path::PathBuf;

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

/// Train the small classifier that `--extractor classifier:DIR` takes, on the data set itself
///
/// About a minute on 2 CPU cores. The same command resumes, and does nothing where the training is complete. Its features are what its last layer
/// reads: few enough that the held-out images are at least 10 for each.
#[derive(clap::Args, Debug)]
pub(crate) struct TrainFeatures {
    #[command(flatten)]
    data: DataOptions,
    /// The folder, a run like those of `ddpm train`
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl TrainFeatures {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        global.given.refuse(
            &["split"],
            "on ddpm eval train-features, which trains on the one and tests on the other",
        )?;
        let name = self.data.data.context("--data is needed")?;
        let options = self.data.files.of(name, &global.given)?;
        ensure!(
            name != DatasetName::ImageFolder || self.data.data_dir.is_some(),
            "--data image-folder needs --data-dir"
        );
        let device = runtime::prepare(global.device, global.threads)?;
        let dataset = load_data(name, self.data.data_dir.as_deref(), &options)?;
        let text = configuration(name, &dataset, global.seed.unwrap_or(0))?;
        let RunConfig::Classifier(mut config) = RunConfig::parse(&text, &[])? else {
            bail!("the configuration of a classifier is another's");
        };
        config.data.dir.clone_from(&self.data.data_dir);
        config.data.image_size = options.size;
        config.data.resize = options.resize;
        config.data.channels = options.channels;
        config.data.on_error = options.on_error;
        let run = Run::new("features".into(), *config, Some(self.out.clone()), device);
        run.train(true)?;
        let held_out = dataset.held_out.context("no held-out images")?;
        let labels = held_out.labels().map(<[i64]>::to_vec).context("no labels")?;
        let extractor = ClassifierFeatures::load(&run.dir.latest(), device)?;
        let images = Images { images: held_out, name: format!("{name}, held-out") };
        let found = features(&extractor, &images, &StopFlag::install()?)?;
        let logits = found.set.logits.context("a classifier without classes")?;
        print(&format!(
            "{} features; {:.2} % of {} held-out images are assigned to their class\n",
            found.set.features.size()[1],
            100.0 * ClassifierFeatures::accuracy(&logits, &labels)?,
            labels.len()
        ))
    }
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
