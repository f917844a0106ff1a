//! `ddpm eval is`: the Inception Score.

use crate::global_options::Global;
use crate::output::{JsonOutput, check_files, print};
use anyhow::{Context, Result};
use ddpm_core::interval::{CONFIDENCE, Estimate};
use ddpm_eval::extractor::{FeatureFile, INCEPTION};
use ddpm_eval::sample_metrics::inception_score;
use ddpm_report::results::{ClassScore, Format};
use std::path::PathBuf;

/// Parts over which the score is averaged.
const PARTS: usize = 10;

/// Inception Score of one set, from the logits of its features' file
#[derive(clap::Args, Debug)]
pub(crate) struct Score {
    /// A file with the tensor `logits` [n, k]
    #[arg(long, value_name = "FILE")]
    features_a: PathBuf,
    /// Write JSON to a file, or to the standard output (-) instead of text
    #[arg(long, value_name = "FILE|-")]
    json: Option<JsonOutput>,
}

impl Score {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        global.given.refuse(&["seed"], "on ddpm eval, which draws nothing at random")?;
        let path = &self.features_a;
        check_files(&[("--json", JsonOutput::path(&self.json))], &[("--features-a", Some(path))])?;
        let FeatureFile { set, extractor, .. } = FeatureFile::read(path)?;
        let logits = set.logits.with_context(|| {
            format!(
                "{}: has no tensor `logits`; features of inception and of classifiers have",
                path.display()
            )
        })?;
        let found = inception_score(&logits).with_context(|| path.display().to_string())?;
        let stderr = found.stderr / (PARTS as f64 - 1.0).sqrt();
        let result = ClassScore {
            format: Format,
            metric: if extractor == INCEPTION { "inception-score" } else { "class-score" }.into(),
            value: found.value,
            deviation: found.stderr,
            interval: Estimate { mean: found.value, stderr, n: PARTS }.interval(CONFIDENCE).ends(),
            n_a: logits.size()[0] as u64,
            classes: logits.size()[1] as u64,
            extractor,
        };
        if let Some(json) = &self.json {
            json.write(&result)?;
        }
        if JsonOutput::is_standard(&self.json) {
            return Ok(());
        }
        print(&format!(
            "{} {:.4} +- {:.4} (standard deviation of {PARTS} parts), 95 % interval {:.4} to {:.4}\n{} images, {} classes by {}\n",
            result.metric,
            result.value,
            result.deviation,
            result.interval[0],
            result.interval[1],
            result.n_a,
            result.classes,
            result.extractor
        ))
    }
}
