//! `ddpm eval fid`, `kid` and `precision-recall`: two sets of features compared.

use super::data_options::DataOptions;
use super::first_set::{FirstFeatures, FirstSet};
use crate::evaluation::{Kind, distance, overlap, reference_features};
use crate::global_options::Global;
use crate::output::{JsonOutput, check_files, print};
use crate::runtime::{self, NOTHING_WRITTEN, StopFlag};
use crate::workers::{self, in_turn};
use anyhow::{Context, Result, ensure};
use ddpm_eval::extractor::FeatureFile;
use ddpm_report::results::{SetDistance, SetOverlap};
use serde::Serialize;
use std::path::PathBuf;
use torch_ext::dist::Workers;

/// Images below which a Fréchet distance is far from its value for many.
const FEW: u64 = 10_000;

/// Which comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// A distance.
    Distance(Kind),
    /// Precision, recall, density and coverage.
    Overlap,
}

/// Two sets: files of features, or images or samples and a data set.
#[derive(clap::Args, Debug)]
pub(crate) struct Distance {
    #[command(flatten)]
    first: FirstSet,
    /// Features of the second set, usually real images
    #[arg(long, value_name = "FILE", help_heading = None::<&str>)]
    features_b: Option<PathBuf>,
    #[command(flatten)]
    data: DataOptions,
    /// Write JSON to a file, or to the standard output (-) instead of text
    #[arg(long, value_name = "FILE|-", help_heading = None::<&str>)]
    json: Option<JsonOutput>,
}

impl Distance {
    pub(crate) fn run(&self, comparison: Comparison, global: &Global) -> Result<()> {
        self.first.check(global)?;
        if self.first.file().is_some() {
            global
                .given
                .refuse_group::<DataOptions>("with --features-a: it is for --images and --checkpoint")?;
            ensure!(
                self.features_b.is_some(),
                "--features-a is compared with --features-b, which is missing"
            );
        } else {
            global.given.refuse(
                &["features_b"],
                "without --features-a: --images and --checkpoint are compared with --data",
            )?;
            ensure!(self.data.place.data.is_some(), "--data is needed: the data set to compare with");
        }
        check_files(
            &[("--json", JsonOutput::path(&self.json))],
            &[("--features-a", self.first.file()), ("--features-b", self.features_b.as_deref())],
        )?;
        let stop = StopFlag::install()?;
        stop.abandonable(NOTHING_WRITTEN, || {
            let workers = workers::join()?;
            let [a, b] = self.sets(global, &workers, &stop)?;
            if !workers.is_first() {
                return Ok(());
            }
            match comparison {
                Comparison::Overlap => self.print(&overlap(&a, &b, &stop)?, overlap_text),
                Comparison::Distance(kind) => {
                    let found = distance(kind, &a, &b, &stop)?;
                    if kind == Kind::Frechet && found.n_a.min(found.n_b) < FEW {
                        tracing::warn!(
                            "the smaller set has {} images: a Fréchet distance of fewer than {FEW} is biased upwards, and comparable at equal numbers alone",
                            found.n_a.min(found.n_b)
                        );
                    }
                    self.print(&found, distance_text)
                }
            }
        })
    }

    /// The features of both sets, by one extractor.
    fn sets(&self, global: &Global, workers: &Workers, stop: &StopFlag) -> Result<[FeatureFile; 2]> {
        let device = runtime::prepare(global.device, global.threads)?;
        if self.first.file().is_none() {
            // A data set that is not there is found before anything is sampled.
            let data = in_turn(workers, || self.data.load(&global.given))?;
            let FirstFeatures { file, extractor } = self.first.features(global, device, workers, stop)?;
            let (choice, extractor) = extractor.context("--extractor is needed")?;
            return Ok([file, reference_features(&choice, extractor.as_ref(), &data, workers, stop)?]);
        }
        let x = self.first.features(global, device, workers, stop)?.file;
        let path = self.features_b.as_deref().context("--features-b is needed")?;
        let y = FeatureFile::read(path)?;
        ensure!(
            x.extractor == y.extractor,
            "--features-b {}: made by {}, --features-a by {}; features of one extractor can be compared",
            path.display(),
            y.extractor,
            x.extractor
        );
        let [c, d] = [&x.set.features, &y.set.features].map(|features| features.size()[1]);
        ensure!(c == d, "--features-b {}: {d} features an image, --features-a has {c}", path.display());
        Ok([x, y])
    }

    fn print<T: Serialize>(&self, result: &T, text: impl Fn(&T) -> String) -> Result<()> {
        if let Some(json) = &self.json {
            json.write(result)?;
        }
        if JsonOutput::is_standard(&self.json) { Ok(()) } else { print(&text(result)) }
    }
}

fn distance_text(found: &SetDistance) -> String {
    let SetDistance { metric, value, n_a, n_b, dim, extractor, .. } = found;
    let mut text = format!("{metric} {value:.6}\n");
    match (found.corrected, found.interval) {
        (Some(corrected), Some([low, high])) if metric != "kid" => {
            text += &format!(
                "without its bias of order 1/n {corrected:.6}, 95 % interval {low:.6} to {high:.6} over the images of both sets\n"
            );
        }
        (_, Some([low, high])) => {
            text += &format!(
                "95 % interval {low:.6} to {high:.6} over the images of both sets; the estimate has no bias\n"
            );
        }
        _ => {
            text += &format!(
                "no interval: fewer than 5 images for each of the {dim} features; `ddpm eval kid` has no bias at any number\n"
            );
        }
    }
    if let Some(reference) = found.reference_value {
        text += &format!("between two halves of the second set, {} images each: {reference:.6}\n", n_b / 2);
    }
    text + &format!("{n_a} and {n_b} images, {dim} features by {extractor}\n")
}

fn overlap_text(found: &SetOverlap) -> String {
    let line = |name: &str, value: f64, ends: [f64; 2]| {
        format!("{name:10} {value:.4}, 95 % interval {:.4} to {:.4}\n", ends[0], ends[1])
    };
    let [precision, recall, coverage] = found.intervals;
    line("precision", found.precision, precision)
        + &line("recall", found.recall, recall)
        + &format!("{:10} {:.4}\n", "density", found.density)
        + &line("coverage", found.coverage, coverage)
        + &format!("{} and {} images, {} features by {}\n", found.n_a, found.n_b, found.dim, found.extractor)
}
