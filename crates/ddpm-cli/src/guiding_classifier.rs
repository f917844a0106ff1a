//! A trained classifier that guides a model, and the check that the two fit.

use anyhow::{Context, Result, ensure};
use ddpm_core::Parameterization;
use ddpm_nets::checkpoint::{Checkpoint, ClassifierCheckpoint};
use ddpm_nets::unet::NoiseClassifier;
use std::path::Path;
use tch::Device;

/// A classifier and the weight of its gradient.
pub(crate) struct GuidingClassifier {
    /// The classifier.
    pub(crate) network: NoiseClassifier,
    /// What the classifier reads of x_t.
    pub(crate) parameterization: Parameterization,
    /// 1 is Bayes' rule.
    pub(crate) scale: f64,
}

impl GuidingClassifier {
    /// Loads a classifier for a model; it must have been trained on the model's images and noise levels.
    pub(crate) fn load(dir: &Path, scale: f64, model: &Checkpoint, device: Device) -> Result<Self> {
        ensure!(scale.is_finite(), "--classifier-scale must be finite, got {scale}");
        let classifier = ClassifierCheckpoint::load(dir, device)?;
        let ClassifierCheckpoint { network, scheduler } = classifier;
        let scheduler = scheduler.with_context(|| {
            format!(
                "{}: was trained on clean images, for features; guidance needs a classifier of noised images",
                dir.display()
            )
        })?;
        let (own, its) = (scheduler.schedule(), model.scheduler.schedule());
        let same = own.steps() == its.steps()
            && own
                .levels()
                .zip(its.levels())
                .all(|(a, b)| a.log_snr() == b.log_snr() || (a.log_snr() - b.log_snr()).abs() < 1e-6);
        ensure!(
            same,
            "{}: was trained under another noising process than the model; train it with the model's [diffusion]",
            dir.display()
        );
        let (a, b) = (network.config(), model.network.config());
        ensure!(
            (a.sample_size.height_width(), a.in_channels) == (b.sample_size.height_width(), b.in_channels),
            "{}: classifies images of {:?} with {} channels, the model makes {:?} with {}",
            dir.display(),
            a.sample_size.height_width(),
            a.in_channels,
            b.sample_size.height_width(),
            b.in_channels
        );
        Ok(GuidingClassifier { network, parameterization: scheduler.parameterization(), scale })
    }

    /// Number of classes.
    pub(crate) fn classes(&self) -> i64 {
        self.network.config().num_classes
    }
}
