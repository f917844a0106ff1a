//! Classifier guidance (Dhariwal & Nichol 2021): the gradient of a classifier of noised data is added to the score.

use super::interval::Interval;
use ddpm_core::{Level, Parameterization, PredictionKind};
use ddpm_nets::targets::MixtureTarget;
use ddpm_nets::unet::NoiseClassifier;
use ddpm_nets::{Denoiser, NetsError, NetworkInput, Prediction};
use tch::{Kind, Tensor};

/// A classifier of noised data.
pub trait Classifier {
    /// log p(y | x_t) of the wanted y for each row of `x_t` `[n, ...]`: `[n]`, differentiable in `x_t`.
    fn log_probability(&self, x_t: &Tensor, level: &Level) -> Result<Tensor, NetsError>;
}

/// A denoiser guided by a classifier: D + w (sigma^2/alpha) grad log p(y | x_t).
pub struct ClassifierGuided<'a> {
    denoiser: &'a dyn Denoiser,
    classifier: &'a dyn Classifier,
    weight: f64,
    interval: Interval,
}

impl<'a> ClassifierGuided<'a> {
    /// With `weight` 1 and an exact classifier the result is the conditional denoiser. Outside `interval` there is no guidance.
    pub fn new(
        denoiser: &'a dyn Denoiser,
        classifier: &'a dyn Classifier,
        weight: f64,
        interval: Interval,
    ) -> Self {
        ClassifierGuided { denoiser, classifier, weight, interval }
    }

    /// grad log p(y | x_t), of x_t's shape.
    fn gradient(&self, x_t: &Tensor, level: &Level) -> Result<Tensor, NetsError> {
        torch_ext::fence(|| {
            tch::with_grad(|| {
                let x = x_t.detach().set_requires_grad(true);
                // Rows do not depend on each other, so that one sum gives every row its own gradient.
                let total = self.classifier.log_probability(&x, level)?;
                let total = total.sum(total.kind());
                Ok(Tensor::run_backward(&[total], &[x], false, false).remove(0))
            })
        })?
    }
}

impl std::fmt::Debug for ClassifierGuided<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClassifierGuided")
            .field("weight", &self.weight)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

impl Denoiser for ClassifierGuided<'_> {
    fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError> {
        let prediction = self.denoiser.predict(x_t, level)?;
        if self.weight == 0.0 || !self.interval.contains(level) {
            return Ok(prediction);
        }
        let x0 = prediction.x0(x_t, level)?;
        // The factor of the score in x_0.
        let shift = self.weight * PredictionKind::Score.to_x0(level)?.of_input;
        let gradient = self.gradient(x_t, level)?;
        let value = torch_ext::fence(|| x0 + gradient * shift)?;
        Ok(Prediction { kind: PredictionKind::X0, value, variance_output: prediction.variance_output })
    }
}

/// A trained classifier of noised images.
#[derive(Debug)]
pub struct NetworkClassifier<'a> {
    network: &'a NoiseClassifier,
    parameterization: Parameterization,
    labels: Tensor,
}

impl<'a> NetworkClassifier<'a> {
    /// For batches whose rows should have the classes `labels` `[n]` i64. `parameterization` is that of the
    /// denoiser.
    pub fn new(
        network: &'a NoiseClassifier,
        parameterization: impl Into<Parameterization>,
        labels: Tensor,
    ) -> Self {
        NetworkClassifier { network, parameterization: parameterization.into(), labels }
    }
}

impl Classifier for NetworkClassifier<'_> {
    fn log_probability(&self, x_t: &Tensor, level: &Level) -> Result<Tensor, NetsError> {
        let n = x_t.size().first().copied().unwrap_or(0);
        if self.labels.size() != [n] {
            let (expected, got) = (format!("[{n}]"), format!("{:?}", self.labels.size()));
            return Err(NetsError::input("labels", expected, got));
        }
        let shown = NetworkInput::new(self.parameterization, x_t, &vec![*level; n as usize])?;
        self.network.check_input(x_t, &shown.condition)?;
        Ok(torch_ext::fence(|| {
            let log_p = self.network.log_probabilities(&shown.input, &shown.condition, false);
            log_p.gather(1, &self.labels.unsqueeze(1), false).squeeze_dim(1)
        })?)
    }
}

/// The exact classifier of a mixture whose components have classes: p(y | x_t) = sum of the responsibilities of y's components.
#[derive(Debug)]
pub struct MixtureClassifier<'a> {
    mixture: &'a MixtureTarget,
    /// Numbers of the components of the wanted class, i64.
    members: Tensor,
}

impl<'a> MixtureClassifier<'a> {
    /// The classifier for the class whose components are `members`, counted from 0.
    pub fn new(mixture: &'a MixtureTarget, members: &[i64]) -> Self {
        MixtureClassifier { mixture, members: Tensor::from_slice(members) }
    }
}

impl Classifier for MixtureClassifier<'_> {
    fn log_probability(&self, x_t: &Tensor, level: &Level) -> Result<Tensor, NetsError> {
        let log_joint = self.mixture.log_joint(x_t, level)?;
        Ok(torch_ext::fence(|| {
            let members = self.members.to_device(x_t.device());
            let of_class = log_joint.index_select(1, &members).logsumexp([1i64].as_slice(), false);
            (of_class - log_joint.logsumexp([1i64].as_slice(), false)).to_kind(Kind::Double)
        })?)
    }
}
