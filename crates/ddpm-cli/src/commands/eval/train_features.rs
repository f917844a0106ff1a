//! `ddpm eval train-features`: a small classifier of a data set's own images, whose features compare sets of such images.

use super::data_options::DataPlace;
use crate::config::ImageData;
use crate::datasets::load_data;
use crate::evaluation::train_features;
use crate::global_options::Global;
use crate::output::print;
use crate::runtime::{self, StopFlag};
use anyhow::{Context, Result, ensure};
use ddpm_data::DatasetName;
use std::path::PathBuf;

/// Train the small classifier that `--extractor classifier:DIR` takes, on the data set itself
///
/// About a minute on 2 CPU cores. The same command resumes, and does nothing where the training is complete. Its features are what its last layer
/// reads: few enough that the held-out images are at least 10 for each.
#[derive(clap::Args, Debug)]
pub(crate) struct TrainFeatures {
    /// The folder, a run like those of `ddpm train`
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    data: DataPlace,
}

impl TrainFeatures {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let name = self.data.data.context("--data is needed")?;
        let options = self.data.files.of(name, &global.given)?;
        ensure!(
            name != DatasetName::ImageFolder || self.data.data_dir.is_some(),
            "--data image-folder needs --data-dir"
        );
        let device = runtime::prepare(global.device, global.threads)?;
        let dataset = load_data(name, self.data.data_dir.as_deref(), &options)?;
        let data = ImageData {
            dir: self.data.data_dir.clone(),
            image_size: options.size,
            resize: options.resize,
            channels: options.channels,
            on_error: options.on_error,
            ..ImageData::of(name)
        };
        let seed = global.seed.unwrap_or(0);
        let found = train_features(&data, &dataset, &self.out, seed, device, &StopFlag::install()?)?;
        print(&format!(
            "{} features; {:.2} % of {} held-out images are assigned to their class\n",
            found.count,
            100.0 * found.accuracy,
            found.tested
        ))
    }
}
