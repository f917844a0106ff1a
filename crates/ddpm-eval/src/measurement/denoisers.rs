//! Denoisers that may be conditioned on class labels, and denoisers with the sampler's thresholding.

use ddpm_core::{Level, Parameterization};
use ddpm_nets::Threshold;
use ddpm_nets::checkpoint::Checkpoint;
use ddpm_nets::{Denoiser, NetsError, NetworkDenoiser, Prediction, UNet};
use tch::Tensor;

/// A denoiser of images that may depend on their class labels.
pub trait ClassConditional {
    /// The denoiser of a batch with these labels `[n]`, i64 on the batch's device; `None` for unlabelled images.
    fn with_labels(&self, labels: Option<&Tensor>) -> Box<dyn Denoiser + '_>;
}

impl<M: ClassConditional + ?Sized> ClassConditional for &M {
    fn with_labels(&self, labels: Option<&Tensor>) -> Box<dyn Denoiser + '_> {
        (**self).with_labels(labels)
    }
}

/// A denoiser that does not depend on labels, such as that of a closed-form target.
pub struct Unconditional<'a>(pub &'a dyn Denoiser);

impl std::fmt::Debug for Unconditional<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unconditional")
    }
}

impl Denoiser for Unconditional<'_> {
    fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError> {
        self.0.predict(x_t, level)
    }
}

impl ClassConditional for Unconditional<'_> {
    fn with_labels(&self, _: Option<&Tensor>) -> Box<dyn Denoiser + '_> {
        Box::new(Unconditional(self.0))
    }
}

/// A trained network. A class-conditional one is given each image's class.
#[derive(Clone, Copy, Debug)]
pub struct TrainedNetwork<'a> {
    network: &'a UNet,
    parameterization: Parameterization,
}

impl<'a> TrainedNetwork<'a> {
    /// A network of this parameterization.
    pub fn new(network: &'a UNet, parameterization: impl Into<Parameterization>) -> Self {
        TrainedNetwork { network, parameterization: parameterization.into() }
    }
}

impl<'a> From<&'a Checkpoint> for TrainedNetwork<'a> {
    fn from(checkpoint: &'a Checkpoint) -> Self {
        TrainedNetwork::new(&checkpoint.network, checkpoint.scheduler.parameterization())
    }
}

impl ClassConditional for TrainedNetwork<'_> {
    fn with_labels(&self, labels: Option<&Tensor>) -> Box<dyn Denoiser + '_> {
        let conditional = self.network.config().num_class_embeds.is_some();
        let labels = labels.filter(|_| conditional).map(Tensor::shallow_clone);
        Box::new(NetworkDenoiser::new(self.network, self.parameterization, labels))
    }
}

/// A denoiser as its sampler uses it: with the sampler's thresholding of the predicted x_0.
pub struct ThresholdedDenoiser<'a> {
    /// The denoiser.
    pub denoiser: Box<dyn ClassConditional + 'a>,
    /// What the sampler does to the predicted x_0.
    pub threshold: Threshold,
}

impl<'a> ThresholdedDenoiser<'a> {
    /// A denoiser with a threshold.
    pub fn new(denoiser: impl ClassConditional + 'a, threshold: Threshold) -> Self {
        ThresholdedDenoiser { denoiser: Box::new(denoiser), threshold }
    }
}

impl std::fmt::Debug for ThresholdedDenoiser<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThresholdedDenoiser").field("threshold", &self.threshold).finish_non_exhaustive()
    }
}
