//! `[quality]`: what is measured on samples of a trained model.

use anyhow::{Result, ensure};
use ddpm_eval::extractor::ExtractorChoice;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Samples that are compared with real images, and the likelihood of real images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct QualityConfig {
    /// Samples that are compared with real images, drawn as `[sample]` says, without guidance. 0: none, and nothing of this section is measured.
    pub(crate) samples: u64,
    /// Noise levels that their sampler visits; 0 for `sample.steps`.
    pub(crate) steps: usize,
    /// What makes the features: `own` (a small classifier of the data set's own images, trained for this; pixels for sets without classes or
    /// held-out images), or an extractor of `ddpm eval`: `inception`, `inception:FILE`, `torchscript:FILE`, `classifier:DIR`, `pixels`.
    pub(crate) extractor: QualityExtractor,
    /// Real images whose variational bound is measured, held-out ones where there are any. 0: none.
    pub(crate) likelihood_images: usize,
}

/// What makes the features.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum QualityExtractor {
    /// A classifier that is trained for it.
    #[default]
    Own,
    /// One of the extractors of the command line.
    Given(ExtractorChoice),
}

impl TryFrom<String> for QualityExtractor {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        if word == "own" {
            return Ok(QualityExtractor::Own);
        }
        ExtractorChoice::from_str(&word).map(QualityExtractor::Given).map_err(|_| {
            "expected own, inception, inception:FILE, torchscript:FILE, classifier:DIR or pixels".into()
        })
    }
}

impl From<QualityExtractor> for String {
    fn from(extractor: QualityExtractor) -> String {
        match extractor {
            QualityExtractor::Own => "own".into(),
            QualityExtractor::Given(choice) => choice.to_string(),
        }
    }
}

impl QualityConfig {
    /// Refuses settings that have no effect and levels that a schedule does not have.
    pub(super) fn validate(&self, most_steps: usize) -> Result<()> {
        if self.samples == 0 {
            let rest = QualityConfig { samples: 0, ..QualityConfig::default() };
            ensure!(*self == rest, "[quality] has no effect with quality.samples = 0");
        }
        ensure!(self.samples != 1, "quality.samples must be 0 (none) or at least 2, got 1");
        ensure!(
            self.steps <= most_steps,
            "quality.steps must be at most the {most_steps} training levels, got {}",
            self.steps
        );
        ensure!(
            self.likelihood_images != 1,
            "quality.likelihood_images must be 0 (none) or at least 2, got 1"
        );
        Ok(())
    }
}
