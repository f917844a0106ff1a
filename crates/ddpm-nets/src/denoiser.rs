//! What every denoiser has in common: given a noised batch and its level, a prediction that says what it is.

use crate::{NetsError, UNet};
use ddpm_core::{Level, PredictionKind, Time};
use tch::{Kind, Tensor};

/// A prediction about a noised batch.
#[derive(Debug)]
pub struct Prediction {
    /// What the value is.
    pub kind: PredictionKind,
    /// The predicted quantity, of x_t's shape.
    pub value: Tensor,
    /// For a learned-range variance: where between the posterior's log-variance (-1) and the transition's (1) the variance lies, of x_t's
    /// shape (Nichol & Dhariwal 2021, eq. 15).
    pub variance_fraction: Option<Tensor>,
}

impl Prediction {
    /// The prediction as x_0, of x_t's shape.
    pub fn x0(&self, x_t: &Tensor, level: &Level) -> Result<Tensor, NetsError> {
        self.as_kind(PredictionKind::X0, x_t, level)
    }

    /// The prediction as eps, of x_t's shape.
    pub fn epsilon(&self, x_t: &Tensor, level: &Level) -> Result<Tensor, NetsError> {
        self.as_kind(PredictionKind::Epsilon, x_t, level)
    }

    /// The prediction converted to any kind, through x_0.
    pub fn as_kind(&self, kind: PredictionKind, x_t: &Tensor, level: &Level) -> Result<Tensor, NetsError> {
        if kind == self.kind {
            return Ok(self.value.shallow_clone());
        }
        let to_x0 = self.kind.to_x0(level)?;
        let x0 = x_t * to_x0.of_x_t + &self.value * to_x0.of_input;
        if kind == PredictionKind::X0 {
            return Ok(x0);
        }
        let from_x0 = kind.from_x0(level)?;
        Ok(x_t * from_x0.of_x_t + x0 * from_x0.of_input)
    }
}

/// Anything that predicts the clean data (or its equivalent) from noised data.
pub trait Denoiser {
    /// The prediction for a batch x_t [n, ...] that is all at one level.
    fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError>;
}

/// A trained U-Net as a denoiser.
#[derive(Debug)]
pub struct NetworkDenoiser<'a> {
    network: &'a UNet,
    kind: PredictionKind,
    labels: Option<Tensor>,
}

impl<'a> NetworkDenoiser<'a> {
    /// A network that predicts `kind`. `labels` `[n]` i64 for a class-conditional network, of the length of the batches to come.
    pub fn new(network: &'a UNet, kind: PredictionKind, labels: Option<Tensor>) -> Self {
        NetworkDenoiser { network, kind, labels }
    }

    /// The prediction for a batch whose rows are at different times: t `[n]`.
    pub fn predict_at(&self, x_t: &Tensor, t: &Tensor) -> Result<Prediction, NetsError> {
        self.network.check_input(x_t, t, self.labels.as_ref())?;
        let output = torch_ext::fence(|| {
            // A guard, which a failure inside leaves as well; `no_grad` would leave gradients off.
            let _guard = tch::no_grad_guard();
            self.network.forward(x_t, t, self.labels.as_ref(), false).to_kind(Kind::Float)
        })?;
        let config = self.network.config();
        if config.out_channels == 2 * config.in_channels {
            let parts = output.chunk(2, 1);
            let (value, fraction) = (parts[0].shallow_clone(), parts[1].shallow_clone());
            return Ok(Prediction { kind: self.kind, value, variance_fraction: Some(fraction) });
        }
        Ok(Prediction { kind: self.kind, value: output, variance_fraction: None })
    }
}

impl Denoiser for NetworkDenoiser<'_> {
    fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError> {
        let time = match level.time() {
            Time::Index(t) => f64::from(t.0),
            Time::FractionalIndex(t) | Time::Continuous(t) | Time::Sigma(t) => t,
            Time::Clean => {
                let (expected, got) = ("a noised batch".to_string(), "data without noise".to_string());
                return Err(NetsError::Input { what: "level", expected, got });
            }
        };
        let n = x_t.size().first().copied().unwrap_or(0);
        self.predict_at(x_t, &Tensor::full([n], time, (Kind::Float, x_t.device())))
    }
}
