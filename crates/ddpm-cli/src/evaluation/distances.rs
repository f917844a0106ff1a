//! Distances of two sets of features as results.

use crate::progress::Progress;
use crate::runtime::StopFlag;
use anyhow::Result;
use ddpm_core::interval::{CONFIDENCE, Estimate, Interval};
use ddpm_eval::EvalError;
use ddpm_eval::extractor::{FeatureFile, INCEPTION};
use ddpm_eval::sample_metrics::{
    FeatureMoments, GROUPS, Measured, frechet_distance, halves, kernel_distance, manifold_metrics,
};
use ddpm_report::results::{Format, SetDistance, SetOverlap};
use tch::Tensor;

/// Inception's features, for which alone a Fréchet distance is called FID.
const INCEPTION_FEATURES: i64 = 2048;

/// Which distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Fréchet's.
    Frechet,
    /// The kernel distance.
    Kernel,
}

/// A progress bar for blocks of work.
pub(crate) fn with_bar<T>(
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

/// A distance of two sets of features.
pub(crate) fn distance(kind: Kind, a: &FeatureFile, b: &FeatureFile, stop: &StopFlag) -> Result<SetDistance> {
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
    let found = with_bar(stop, "fid", |bar| frechet_distance(x, y, bar))?;
    let reference =
        parts.map(|[p, q]| FeatureMoments::of(&p)?.frechet_distance(&FeatureMoments::of(&q)?)).transpose()?;
    let metric = if is_fid { "fid" } else { "frechet-distance" };
    Ok(result(metric, found.raw, found.corrected, reference))
}

/// Precision, recall, density and coverage of the first set against the second.
pub(crate) fn overlap(a: &FeatureFile, b: &FeatureFile, stop: &StopFlag) -> Result<SetOverlap> {
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
