//! `[quality]`: what is measured on samples of a trained model.

use anyhow::{Result, bail, ensure};
use ddpm_eval::extractor::ExtractorChoice;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Samples that are compared with real images, and the likelihood of real images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Samples by DDIM of each combination of start and steps, whose distance from real images is split into training, initialization and
    /// discretization. 0: none.
    pub(crate) split_samples: u64,
    /// Steps of these samples.
    pub(crate) split_steps: usize,
    /// Steps that stand for the most that the network supports; 0 for all training levels.
    pub(crate) split_fine_steps: usize,
    /// Samples of each measurement of `train.evaluate_every`, by DDIM through `sample.preview_steps` levels from always the same noise.
    pub(crate) training_samples: u64,
}

impl Default for QualityConfig {
    fn default() -> Self {
        QualityConfig {
            samples: 0,
            steps: 0,
            extractor: QualityExtractor::Own,
            likelihood_images: 0,
            split_samples: 0,
            split_steps: 20,
            split_fine_steps: 0,
            training_samples: 256,
        }
    }
}

/// Samples from which groups for an interval can be made.
pub(crate) const FEWEST_SPLIT: u64 = 40;

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
    /// Refuses settings that have no effect and levels that a schedule does not have. `evaluate_every` is that of `[train]`.
    pub(super) fn validate(&self, most_steps: Option<usize>, evaluate_every: u64) -> Result<()> {
        let usual = QualityConfig::default();
        let after = [
            ("steps", self.steps != usual.steps),
            ("likelihood_images", self.likelihood_images != usual.likelihood_images),
            (
                "extractor",
                self.extractor != usual.extractor && evaluate_every == 0 && self.split_samples == 0,
            ),
        ];
        if let Some((key, _)) = after.into_iter().find(|(_, given)| *given && self.samples == 0) {
            bail!("quality.{key} has no effect with quality.samples = 0");
        }
        ensure!(
            evaluate_every > 0 || self.training_samples == usual.training_samples,
            "quality.training_samples has no effect with train.evaluate_every = 0"
        );
        for (key, images) in [("samples", self.samples), ("likelihood_images", self.likelihood_images as u64)]
        {
            ensure!(images != 1, "quality.{key} must be 0 (none) or at least 2, got 1");
        }
        if self.split_samples == 0 {
            let given = [
                ("split_steps", self.split_steps != usual.split_steps),
                ("split_fine_steps", self.split_fine_steps != usual.split_fine_steps),
            ];
            if let Some((key, _)) = given.into_iter().find(|(_, given)| *given) {
                bail!("quality.{key} has no effect with quality.split_samples = 0");
            }
        } else {
            ensure!(
                self.split_samples >= FEWEST_SPLIT,
                "quality.split_samples must be 0 (none) or at least {FEWEST_SPLIT}, got {}",
                self.split_samples
            );
            ensure!(
                self.split_steps >= 2,
                "quality.split_steps must be at least 2, got {}",
                self.split_steps
            );
            ensure!(
                self.split_fine_steps == 0 || self.split_fine_steps >= self.split_steps,
                "quality.split_fine_steps must be 0 (all training levels) or at least quality.split_steps, got {}",
                self.split_fine_steps
            );
        }
        ensure!(
            self.training_samples >= 2,
            "quality.training_samples must be at least 2, got {}",
            self.training_samples
        );
        if let Some(most) = most_steps {
            for (key, steps) in [
                ("steps", self.steps),
                ("split_steps", if self.split_samples > 0 { self.split_steps } else { 0 }),
                ("split_fine_steps", self.split_fine_steps),
            ] {
                ensure!(
                    steps <= most,
                    "quality.{key} must be at most the {most} training levels, got {steps}"
                );
            }
        }
        Ok(())
    }
}
