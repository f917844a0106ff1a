//! `ddpm eval neighbours`: the nearest training images of samples.

use super::data_options::DataPlace;
use crate::evaluation::{ComparedSets, Images, features, load_extractor, of_folder, reference_features};
use crate::global_options::Global;
use crate::output::{check_folder, print};
use crate::runtime::{self, NOTHING_WRITTEN, StopFlag};
use crate::workers::{self, in_turn};
use anyhow::{Context, Result, ensure};
use ddpm_eval::extractor::ExtractorChoice;
use ddpm_report::neighbours_page::NeighboursPage;
use std::path::PathBuf;

/// Nearest training images of samples, as a page and JSON: memorization
///
/// Compared with held-out images where there are any: without memorization samples are no nearer to training images than these.
#[derive(clap::Args, Debug)]
pub(crate) struct NeighboursOfSamples {
    /// A folder of samples: images, or the shards of `ddpm sample --shards`
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// inception, inception:FILE, torchscript:FILE, classifier:DIR or pixels
    #[arg(long, value_name = "EX")]
    extractor: ExtractorChoice,
    /// The folder of the page (index.html, neighbours.json)
    #[arg(long, value_name = "DIR")]
    report: PathBuf,
    #[command(flatten)]
    data: DataPlace,
}

impl NeighboursOfSamples {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        global.given.refuse(&["seed"], "on ddpm eval neighbours, which draws nothing at random")?;
        check_folder("--report", &self.report)?;
        ensure!(!self.report.is_file(), "--report {}: expected a folder, got a file", self.report.display());
        let stop = StopFlag::install()?;
        let page = stop.abandonable(NOTHING_WRITTEN, || self.page(global, &stop))?;
        if workers::is_follower() {
            return Ok(());
        }
        std::fs::create_dir_all(&self.report).with_context(|| self.report.display().to_string())?;
        page.write(&self.report)?;
        print(&format!("{}\n", self.report.join("index.html").display()))
    }

    fn page(&self, global: &Global, stop: &StopFlag) -> Result<NeighboursPage> {
        let workers = &workers::join()?;
        let device = runtime::prepare(global.device, global.threads)?;
        let (train, held_out) = in_turn(workers, || self.data.load_both(&global.given))?;
        let samples = of_folder(&self.images)?;
        ensure!(
            samples.images.shape() == train.images.shape(),
            "--images {}: images of {}, those of {} are of {}",
            self.images.display(),
            samples.images.shape(),
            train.name,
            train.images.shape()
        );
        let extractor = in_turn(workers, || load_extractor(&self.extractor, device))?;
        let of_samples = features(extractor.as_ref(), &samples, workers, stop)?;
        let reference =
            |images: &Images| reference_features(&self.extractor, extractor.as_ref(), images, workers, stop);
        let of_train = reference(&train)?;
        let of_held_out = held_out.as_ref().map(reference).transpose()?;
        let command = format!(
            "ddpm eval neighbours --images {} --data {} --extractor {} --report {}",
            self.images.display(),
            self.data.data.map_or_else(String::new, |name| name.to_string()),
            self.extractor,
            self.report.display()
        );
        let sets = ComparedSets {
            samples: &samples,
            train: &train,
            of_samples: &of_samples,
            of_train: &of_train,
            of_held_out: of_held_out.as_ref(),
        };
        sets.page(command, stop)
    }
}
