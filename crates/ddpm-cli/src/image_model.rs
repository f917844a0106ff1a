//! A network on images as a sampler sees it: with a class for each image, classifier-free guidance, and guidance by a classifier.

use crate::guiding_classifier::GuidingClassifier;
use ddpm_core::Level;
use ddpm_nets::checkpoint::{Checkpoint, Classes};
use ddpm_nets::{Denoiser, NetsError, NetworkDenoiser, Prediction, ScaledEpsilon};
use ddpm_sample::guidance::{ClassifierFree, ClassifierGuided, Interval, NetworkClassifier};
use std::ops::Range;
use tch::{Device, Tensor};

/// A network with the classes and the guidance of every image that is sampled.
pub(crate) struct ImageModel<'a> {
    /// The network.
    pub(crate) checkpoint: &'a Checkpoint,
    /// Classes that images have in turn; none for an unconditional model.
    pub(crate) labels: Option<Vec<i64>>,
    /// Weight of classifier-free guidance (1 is the conditional model) and where it acts; none evaluates the model alone.
    pub(crate) guidance: Option<(f64, Interval)>,
    /// A classifier that guides, with classes that images have in turn.
    pub(crate) classifier: Option<(GuidingClassifier, Vec<i64>)>,
    /// What the predicted eps is divided by, guidance included.
    pub(crate) epsilon_scale: Option<f64>,
}

/// The denoiser of one batch of images.
pub(crate) struct BatchDenoiser<'a> {
    model: &'a ImageModel<'a>,
    labels: Option<Tensor>,
    classes: Option<(&'a GuidingClassifier, Tensor)>,
}

impl<'a> ImageModel<'a> {
    /// The network with the classes that it is given unless told otherwise, without guidance.
    pub(crate) fn plain(checkpoint: &'a Checkpoint) -> Self {
        let labels = checkpoint.classes.as_ref().map(|classes| classes.labels().to_vec());
        ImageModel { checkpoint, labels, guidance: None, classifier: None, epsilon_scale: None }
    }

    /// The denoiser of these images.
    pub(crate) fn batch(&'a self, images: &Range<u64>, device: Device) -> BatchDenoiser<'a> {
        let part = |classes: &[i64]| {
            let of = |image: u64| classes[(image % classes.len() as u64) as usize];
            Tensor::from_slice(&images.clone().map(of).collect::<Vec<_>>()).to_device(device)
        };
        BatchDenoiser {
            model: self,
            labels: self.labels.as_deref().map(part),
            classes: self.classifier.as_ref().map(|(classifier, classes)| (classifier, part(classes))),
        }
    }
}

impl Denoiser for BatchDenoiser<'_> {
    fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError> {
        match self.model.epsilon_scale {
            None => self.guided(x_t, level),
            Some(scale) => {
                let guided = Guided(self);
                ScaledEpsilon::new(&guided, scale)?.predict(x_t, level)
            }
        }
    }
}

/// The answers with guidance alone.
struct Guided<'a>(&'a BatchDenoiser<'a>);

impl Denoiser for Guided<'_> {
    fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError> {
        self.0.guided(x_t, level)
    }
}

impl BatchDenoiser<'_> {
    fn guided(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError> {
        let ImageModel { checkpoint, guidance, .. } = self.model;
        let network = |labels| {
            NetworkDenoiser::new(&checkpoint.network, checkpoint.scheduler.parameterization(), labels)
        };
        let conditional = |x_t: &Tensor, level: &Level, labels: &Tensor| {
            network(Some(labels.shallow_clone())).predict(x_t, level)
        };
        let labels = self.labels.as_ref().map(Tensor::shallow_clone);
        let null = checkpoint.classes.as_ref().and_then(Classes::null);
        let denoiser: Box<dyn Denoiser> = match (labels, *guidance, null) {
            (Some(labels), Some((weight, interval)), Some(null)) => {
                Box::new(ClassifierFree::new(&conditional, labels, null, weight, interval))
            }
            // Without a null class no weight but 1 is accepted, which is the network itself.
            (labels, ..) => Box::new(network(labels)),
        };
        let Some((guide, classes)) = &self.classes else { return denoiser.predict(x_t, level) };
        let classifier =
            NetworkClassifier::new(&guide.network, guide.parameterization, classes.shallow_clone());
        ClassifierGuided::new(denoiser.as_ref(), &classifier, guide.scale, Interval::ALL).predict(x_t, level)
    }
}

/// The shape [channels, height, width] of a checkpoint's images.
pub(crate) fn image_shape(checkpoint: &Checkpoint) -> [i64; 3] {
    let config = checkpoint.network.config();
    let [height, width] = config.sample_size.height_width();
    [config.in_channels, height, width]
}
