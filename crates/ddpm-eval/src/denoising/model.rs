//! A model of which a batch's labels make a denoiser.

use ddpm_core::{Level, Parameterization};
use ddpm_nets::checkpoint::Checkpoint;
use ddpm_nets::{Denoiser, NetsError, NetworkDenoiser, Prediction, UNet};
use tch::Tensor;

/// Anything that denoises batches of labelled or unlabelled images.
pub trait Model {
    /// The denoiser for a batch with these labels `[n]`, i64 on the batch's device; `None` for unlabelled images.
    fn denoiser(&self, labels: Option<&Tensor>) -> Box<dyn Denoiser + '_>;
}

/// A denoiser that takes no notice of labels, such as a closed-form target.
pub struct Unconditional<'a>(pub &'a dyn Denoiser);

impl std::fmt::Debug for Unconditional<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unconditional")
    }
}

impl Model for Unconditional<'_> {
    fn denoiser(&self, _: Option<&Tensor>) -> Box<dyn Denoiser + '_> {
        Box::new(Borrowed(self.0))
    }
}

struct Borrowed<'a>(&'a dyn Denoiser);

impl Denoiser for Borrowed<'_> {
    fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError> {
        self.0.predict(x_t, level)
    }
}

/// A trained network; a class-conditional one is given each image's class.
#[derive(Clone, Copy, Debug)]
pub struct NetworkModel<'a> {
    network: &'a UNet,
    parameterization: Parameterization,
}

impl<'a> NetworkModel<'a> {
    /// A network of this parameterization.
    pub fn new(network: &'a UNet, parameterization: impl Into<Parameterization>) -> Self {
        NetworkModel { network, parameterization: parameterization.into() }
    }
}

impl<'a> From<&'a Checkpoint> for NetworkModel<'a> {
    fn from(checkpoint: &'a Checkpoint) -> Self {
        NetworkModel::new(&checkpoint.network, checkpoint.scheduler.parameterization())
    }
}

impl Model for NetworkModel<'_> {
    fn denoiser(&self, labels: Option<&Tensor>) -> Box<dyn Denoiser + '_> {
        let conditional = self.network.config().num_class_embeds.is_some();
        let labels = labels.filter(|_| conditional).map(Tensor::shallow_clone);
        Box::new(NetworkDenoiser::new(self.network, self.parameterization, labels))
    }
}
