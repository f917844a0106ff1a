//! A noise-conditional perceptron on vectors, as a score or as an energy.
//!
//! p^2 = alpha^2 data_std^2 + sigma^2 is the variance of a component of x_t, and u = x_t / p. The network F is a correction to the score of a
//! Gaussian of that variance:
//!
//! ```text
//! score     s(x) = ( -u + F(u, c) ) / p
//! energy    E(x) = |u|^2 / 2 + F(u, c)        s(x) = -grad E(x)
//! ```
//!
//! Inputs and outputs of F have one scale at every level, as in Karras et al. 2022, sec. 5. At little noise s is the score of the data, which
//! is bounded where the data have a density. A network that predicts eps would have to predict sigma times that, a number near 0, with a
//! large relative error.
//!
//! c holds cosines and sines of multiples of the angle 2 arctan(sigma / (alpha data_std)), the angle of Salimans & Ho (2022, app. D) doubled.
//! Where the noise is far below or far above the data, neither the law of x_t / p nor the angle changes with the level.

mod mlp_config;

pub use mlp_config::{MlpConfig, MlpOutput};

use crate::autograd::{gradient, tracked};
use crate::layers::{Builder, Linear};
use crate::parameters::{DEFAULT_INIT, NEARLY_ZERO};
use crate::{NetsError, NoiseLevels, Parameters, ScoreNetwork};
use tch::{Device, Kind, Tensor};
use torch_ext::TorchError;

/// The network.
#[derive(Debug)]
pub struct Mlp {
    config: MlpConfig,
    parameters: Parameters,
    hidden: Vec<Linear>,
    out: Linear,
}

impl Mlp {
    /// A network with fresh weights drawn from `seed`. Its last layer starts near 0: the first score is that of a Gaussian.
    pub fn new(config: MlpConfig, device: Device, seed: u64) -> Result<Self, NetsError> {
        config.validate()?;
        let mut parameters = Parameters::new(device, seed);
        let mut b = Builder::root(&mut parameters);
        let mut from = config.dim + config.level_features;
        let mut hidden = Vec::new();
        for layer in 0..config.depth {
            hidden.push(Linear::new(b.sub(format_args!("hidden.{layer}")), from, config.width, DEFAULT_INIT));
            from = config.width;
        }
        let out = match config.output {
            MlpOutput::Score => Linear::new(b.sub("out"), from, config.dim, NEARLY_ZERO),
            // A bias of the energy has no effect on the score, and no gradient.
            MlpOutput::Energy => Linear::homogeneous(b.sub("out"), from, 1, NEARLY_ZERO),
        };
        Ok(Mlp { config, parameters, hidden, out })
    }

    /// The configuration it was built from.
    pub fn config(&self) -> &MlpConfig {
        &self.config
    }

    /// The energy `[n]` of rows x [n, d], up to a constant for each level; none for a network whose output is the score.
    pub fn energy(&self, x: &Tensor, levels: &NoiseLevels) -> Option<Tensor> {
        if self.config.output != MlpOutput::Energy {
            return None;
        }
        let scaled = x / self.marginal_std(levels);
        let half_square = scaled.square().sum_dim_intlist([1i64].as_slice(), false, Kind::Float) * 0.5;
        Some(half_square + self.correction(&scaled, levels).squeeze_dim(1))
    }

    /// p as a column [n, 1].
    fn marginal_std(&self, levels: &NoiseLevels) -> Tensor {
        (levels.alpha() * self.config.data_std).hypot(levels.sigma()).unsqueeze(1)
    }

    /// F: [n, d] and levels -> [n, outputs].
    fn correction(&self, scaled: &Tensor, levels: &NoiseLevels) -> Tensor {
        let angle = levels.sigma().atan2(&(levels.alpha() * self.config.data_std)) * 2.0;
        let multiples = Tensor::arange(self.config.level_features / 2, (Kind::Float, scaled.device())) + 1.0;
        let phases = angle.unsqueeze(1) * multiples.unsqueeze(0);
        let mut h = Tensor::cat(&[scaled.shallow_clone(), phases.cos(), phases.sin()], 1);
        for layer in &self.hidden {
            h = layer.forward(&h).silu();
        }
        self.out.forward(&h)
    }

    /// -grad E, with a graph of its own through which it can be differentiated again.
    fn descent(&self, x: &Tensor, levels: &NoiseLevels) -> Result<Tensor, TorchError> {
        // Gradients are recorded even if the caller does not. The fence inside returns a failure as an error, so that `with_grad` can restore
        // the caller's setting.
        tch::with_grad(|| {
            let (x, energy) = torch_ext::fence(|| {
                let x = tracked(x);
                let energy = self.energy(&x, levels);
                (x, energy)
            })?;
            match energy {
                Some(energy) => Ok(-gradient(&energy, &x)?),
                None => Ok(x.zeros_like()),
            }
        })
    }
}

impl ScoreNetwork for Mlp {
    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn check_rows(&self, x: &Tensor) -> Result<(), NetsError> {
        let size = x.size();
        if size.len() != 2 || size[1] != self.config.dim {
            let (expected, got) = (format!("[n, {}]", self.config.dim), format!("{size:?}"));
            return Err(NetsError::input("x", expected, got));
        }
        Ok(())
    }

    fn score(&self, x: &Tensor, levels: &NoiseLevels) -> Result<Tensor, TorchError> {
        match self.config.output {
            MlpOutput::Energy => self.descent(x, levels),
            MlpOutput::Score => torch_ext::fence(|| {
                let std = self.marginal_std(levels);
                let scaled = x / &std;
                (self.correction(&scaled, levels) - scaled) / std
            }),
        }
    }
}
