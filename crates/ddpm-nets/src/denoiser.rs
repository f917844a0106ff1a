//! The interface of denoisers, and trained U-Nets as denoisers.

use crate::{NetsError, NetworkInput, UNet, per_row};
use ddpm_core::{Level, LinearMap, Parameterization, PredictionKind};
use tch::{Kind, Tensor};

/// A prediction about a noised batch.
#[derive(Debug)]
pub struct Prediction {
    /// The predicted quantity.
    pub kind: PredictionKind,
    /// Its value, of x_t's shape.
    pub value: Tensor,
    /// For a learned variance: the network's output for it, of x_t's shape ([`ddpm_core::LearnedLogVariance`]; Nichol & Dhariwal 2021,
    /// eq. 15).
    pub variance_output: Option<Tensor>,
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

/// A model that predicts the clean data (or an equivalent quantity) from noised data.
pub trait Denoiser {
    /// The prediction for a batch x_t [n, ...] that is all at one level. Where `x_t` requires a gradient, so does the prediction of networks
    /// and of closed-form targets, of which it is a differentiable function.
    fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError>;
}

/// A trained U-Net as a denoiser.
#[derive(Debug)]
pub struct NetworkDenoiser<'a> {
    network: &'a UNet,
    parameterization: Parameterization,
    labels: Option<Tensor>,
}

impl<'a> NetworkDenoiser<'a> {
    /// A network of this parameterization. `labels` `[n]` i64 for a class-conditional network, of the length of the batches to come.
    pub fn new(
        network: &'a UNet,
        parameterization: impl Into<Parameterization>,
        labels: Option<Tensor>,
    ) -> Self {
        NetworkDenoiser { network, parameterization: parameterization.into(), labels }
    }

    /// The prediction for a batch x_t [n, ...] whose rows are at different levels, one a row.
    pub fn predict_rows(&self, x_t: &Tensor, levels: &[Level]) -> Result<Prediction, NetsError> {
        let NetworkInput { input, condition } = NetworkInput::new(self.parameterization, x_t, levels)?;
        self.network.check_input(x_t, &condition, self.labels.as_ref())?;
        let output = self.output(&input, &condition)?;
        let config = self.network.config();
        let (value, variance_output) = if config.out_channels == 2 * config.in_channels {
            let parts = torch_ext::fence(|| output.chunk(2, 1))?;
            (parts[0].shallow_clone(), Some(parts[1].shallow_clone()))
        } else {
            (output, None)
        };
        match self.parameterization {
            Parameterization::Plain { kind, .. } => Ok(Prediction { kind, value, variance_output }),
            Parameterization::Edm(_) => {
                let maps = levels.iter().map(|level| Ok(self.parameterization.to_x0(level)?));
                let maps = maps.collect::<Result<Vec<LinearMap>, NetsError>>()?;
                let value = torch_ext::fence(|| {
                    let of_x_t = per_row(maps.iter().map(|map| map.of_x_t), x_t);
                    of_x_t * x_t + per_row(maps.iter().map(|map| map.of_input), x_t) * value
                })?;
                Ok(Prediction { kind: PredictionKind::X0, value, variance_output })
            }
        }
    }

    fn output(&self, input: &Tensor, condition: &Tensor) -> Result<Tensor, NetsError> {
        Ok(torch_ext::fence(|| {
            // A guard, which a failure inside leaves as well; `no_grad` would leave gradients off.
            let _guard = (!input.requires_grad()).then(tch::no_grad_guard);
            self.network.forward(input, condition, self.labels.as_ref(), false).to_kind(Kind::Float)
        })?)
    }
}

impl Denoiser for NetworkDenoiser<'_> {
    fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError> {
        let n = x_t.size().first().copied().unwrap_or(0);
        self.predict_rows(x_t, &vec![*level; n as usize])
    }
}
