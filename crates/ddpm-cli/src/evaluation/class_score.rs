//! The Inception Score, or the same of another classifier, as a result.

use anyhow::{Context, Result};
use ddpm_core::interval::{CONFIDENCE, Estimate};
use ddpm_eval::extractor::{FeatureFile, INCEPTION};
use ddpm_eval::sample_metrics::inception_score;
use ddpm_report::results::{ClassScore, Format};

/// Parts over which the score is averaged.
pub(crate) const PARTS: usize = 10;

/// The score of the logits of one set.
pub(crate) fn class_score(file: &FeatureFile) -> Result<ClassScore> {
    let logits = file.set.logits.as_ref();
    let logits = logits.context("has no tensor `logits`; features of inception and of classifiers have")?;
    let found = inception_score(logits)?;
    let stderr = found.stderr / (PARTS as f64 - 1.0).sqrt();
    Ok(ClassScore {
        format: Format,
        metric: if file.extractor == INCEPTION { "inception-score" } else { "class-score" }.into(),
        value: found.value,
        deviation: found.stderr,
        interval: Estimate { mean: found.value, stderr, n: PARTS }.interval(CONFIDENCE).ends(),
        n_a: logits.size()[0] as u64,
        classes: logits.size()[1] as u64,
        extractor: file.extractor.clone(),
        reference_value: None,
    })
}
