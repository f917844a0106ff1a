//! `ddpm eval fid`, `kid` and `precision-recall`: two sets of features compared.

use super::image_set::{DataOptions, features, load_extractor, of_folder};
use crate::global_options::Global;
use crate::output::{JsonOutput, check_files, print};
use crate::progress::Progress;
use crate::runtime::{self, NOTHING_WRITTEN, StopFlag};
use anyhow::{Context, Result, ensure};
use ddpm_core::interval::{CONFIDENCE, Estimate, Interval};
use ddpm_eval::EvalError;
use ddpm_eval::extractor::{ExtractorChoice, FeatureFile, INCEPTION};
use ddpm_eval::sample_metrics::{
    FeatureMoments, GROUPS, Measured, frechet_distance, halves, kernel_distance, manifold_metrics,
};
use ddpm_report::results::{Format, SetDistance, SetOverlap};
use serde::Serialize;
use std::path::PathBuf;
use tch::Tensor;

/// Images below which a Fréchet distance is far from its value for many.
const FEW: i64 = 10_000;
/// Inception's features, for which alone a Fréchet distance is called FID.
const INCEPTION_FEATURES: i64 = 2048;

/// Which distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Frechet,
    Kernel,
    Overlap,
}

/// Two sets: files of features, or a folder of images and a data set.
#[derive(clap::Args, Debug)]
pub(crate) struct Distance {
    /// Features of the first set, usually the generated one
    #[arg(long, value_name = "FILE", requires = "features_b", required_unless_present = "images", conflicts_with_all = ["images", "data", "extractor"])]
    features_a: Option<PathBuf>,
    /// Features of the second set, usually real images
    #[arg(long, value_name = "FILE", requires = "features_a")]
    features_b: Option<PathBuf>,
    /// A folder of images, or of the shards of `ddpm sample --shards`, to compare with --data
    #[arg(long, value_name = "DIR", requires = "data", requires = "extractor")]
    images: Option<PathBuf>,
    #[command(flatten)]
    data: DataOptions,
    /// inception, inception:FILE, torchscript:FILE, classifier:DIR or pixels
    #[arg(long, value_name = "EX")]
    extractor: Option<ExtractorChoice>,
    /// Write JSON to a file, or to the standard output (-) instead of text
    #[arg(long, value_name = "FILE|-")]
    json: Option<JsonOutput>,
}

impl Distance {
    pub(crate) fn run(&self, kind: Kind, global: &Global) -> Result<()> {
        global.given.refuse(&["seed"], "on ddpm eval, which draws nothing at random")?;
        if self.features_a.is_some() {
            global.given.refuse_group::<DataOptions>("with --features-a: it is for --images")?;
        }
        check_files(
            &[("--json", JsonOutput::path(&self.json))],
            &[("--features-a", self.features_a.as_deref()), ("--features-b", self.features_b.as_deref())],
        )?;
        let stop = StopFlag::install()?;
        stop.abandonable(NOTHING_WRITTEN, || {
            let [a, b] = self.sets(global, &stop)?;
            match kind {
                Kind::Overlap => self.print(&overlap(&a, &b, &stop)?, overlap_text),
                _ => self.print(&distance(kind, &a, &b, &stop)?, distance_text),
            }
        })
    }

    /// The features of both sets, by one extractor.
    fn sets(&self, global: &Global, stop: &StopFlag) -> Result<[FeatureFile; 2]> {
        let device = runtime::prepare(global.device, global.threads)?;
        if let (Some(a), Some(b)) = (&self.features_a, &self.features_b) {
            let sets = [FeatureFile::read(a)?, FeatureFile::read(b)?];
            let [x, y] = [&sets[0], &sets[1]];
            ensure!(
                x.extractor == y.extractor,
                "--features-b {}: made by {}, --features-a by {}; features of one extractor can be compared",
                b.display(),
                y.extractor,
                x.extractor
            );
            let [c, d] = [&x.set.features, &y.set.features].map(|features| features.size()[1]);
            ensure!(c == d, "--features-b {}: {d} features an image, --features-a has {c}", b.display());
            return Ok(sets);
        }
        let images = of_folder(self.images.as_deref().context("--features-a or --images is needed")?)?;
        let extractor = load_extractor(self.extractor.as_ref().context("--extractor is needed")?, device)?;
        let data = self.data.load(&global.given)?;
        Ok([features(extractor.as_ref(), &images, stop)?, features(extractor.as_ref(), &data, stop)?])
    }

    fn print<T: Serialize>(&self, result: &T, text: impl Fn(&T) -> String) -> Result<()> {
        if let Some(json) = &self.json {
            json.write(result)?;
        }
        if JsonOutput::is_standard(&self.json) { Ok(()) } else { print(&text(result)) }
    }
}

/// A progress bar for blocks of work.
fn with_bar<T>(
    stop: &StopFlag,
    label: &'static str,
    work: impl FnOnce(&mut dyn FnMut(usize, usize) -> Result<(), EvalError>) -> Result<T, EvalError>,
) -> Result<T> {
    let mut bar: Option<Progress> = None;
    let result = work(&mut |done, all| {
        bar.get_or_insert_with(|| Progress::new(label, "parts", 0, all as u64)).set(done as u64, String::new);
        if stop.is_set() { Err(EvalError::Interrupted) } else { Ok(()) }
    })?;
    Ok(result)
}

/// The 95 % interval of an estimate over groups of images.
fn interval(measured: &Measured) -> Interval {
    Estimate { mean: measured.value, stderr: measured.stderr, n: GROUPS }.interval(CONFIDENCE)
}

fn distance(kind: Kind, a: &FeatureFile, b: &FeatureFile, stop: &StopFlag) -> Result<SetDistance> {
    let (x, y) = (&a.set.features, &b.set.features);
    let (n_a, n_b, dim) = (x.size()[0], y.size()[0], x.size()[1]);
    let parts = if n_b >= 4 { Some(halves(y)?) } else { None };
    let result = |metric: &str, value, corrected: Option<Measured>, reference_value| SetDistance {
        format: Format,
        metric: metric.to_owned(),
        value,
        corrected: corrected.map(|corrected| corrected.value),
        interval: corrected.map(|corrected| interval(&corrected).ends()).filter(|ends| ends[0].is_finite()),
        n_a: n_a as u64,
        n_b: n_b as u64,
        dim: dim as u64,
        extractor: a.extractor.clone(),
        reference_value,
    };
    if kind == Kind::Kernel {
        let of = |x: &Tensor, y: &Tensor| with_bar(stop, "kid", |bar| kernel_distance(x, y, bar));
        let found = of(x, y)?;
        let reference = parts.map(|[p, q]| of(&p, &q)).transpose()?.map(|found| found.value);
        return Ok(result("kid", found.value, Some(found), reference));
    }
    let is_fid = a.extractor == INCEPTION && dim == INCEPTION_FEATURES;
    if n_a.min(n_b) < FEW {
        tracing::warn!(
            "the smaller set has {} images: a Fréchet distance of fewer than {FEW} is biased upwards, and comparable at equal numbers alone",
            n_a.min(n_b)
        );
    }
    let found = with_bar(stop, "fid", |bar| frechet_distance(x, y, bar))?;
    let reference =
        parts.map(|[p, q]| FeatureMoments::of(&p)?.frechet_distance(&FeatureMoments::of(&q)?)).transpose()?;
    let metric = if is_fid { "fid" } else { "frechet-distance" };
    Ok(result(metric, found.raw, found.corrected, reference))
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

fn overlap(a: &FeatureFile, b: &FeatureFile, stop: &StopFlag) -> Result<SetOverlap> {
    let (x, y) = (&a.set.features, &b.set.features);
    let found = with_bar(stop, "overlap", |bar| manifold_metrics(x, y, bar))?;
    let (n_a, n_b) = (x.size()[0], y.size()[0]);
    let share = |value: f64, n: i64| {
        let stderr = (value * (1.0 - value) / n as f64).sqrt();
        let ends = Interval::normal(value, stderr).ends();
        [ends[0].max(0.0), ends[1].min(1.0)]
    };
    Ok(SetOverlap {
        format: Format,
        metric: "precision-recall".into(),
        precision: found.precision,
        recall: found.recall,
        density: found.density,
        coverage: found.coverage,
        intervals: [share(found.precision, n_a), share(found.recall, n_b), share(found.coverage, n_b)],
        n_a: n_a as u64,
        n_b: n_b as u64,
        dim: x.size()[1] as u64,
        extractor: a.extractor.clone(),
    })
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
