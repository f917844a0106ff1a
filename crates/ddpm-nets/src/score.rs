//! Score networks: differentiable fields s(x, level) that approximate grad log q_t(x).

use crate::{Denoiser, NetsError, NoiseLevels, Parameters, Prediction};
use ddpm_core::{Level, PredictionKind};
use tch::{Kind, Tensor};
use torch_ext::TorchError;

/// A network that states the score of noised data.
pub trait ScoreNetwork {
    /// Its weights.
    fn parameters(&self) -> &Parameters;

    /// Checks the shape of an input [n, ...] before libtorch sees it.
    fn check_rows(&self, x: &Tensor) -> Result<(), NetsError>;

    /// The score of rows x [n, ...] at their levels, of x's shape. Differentiable in x and in the weights, at least twice.
    ///
    /// Shapes must have been checked ([`ScoreNetwork::check_rows`]): libtorch panics on others.
    fn score(&self, x: &Tensor, levels: &NoiseLevels) -> Result<Tensor, TorchError>;
}

/// A score network as a denoiser.
#[derive(Debug)]
pub struct ScoreDenoiser<'a, N: ?Sized>(pub &'a N);

impl<N: ScoreNetwork + ?Sized> Denoiser for ScoreDenoiser<'_, N> {
    fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError> {
        self.0.check_rows(x_t)?;
        let value = torch_ext::fence(|| {
            // A guard, which a failure inside leaves as well; `no_grad` would leave gradients off.
            let tracked = x_t.requires_grad();
            let _guard = (!tracked).then(tch::no_grad_guard);
            let x = x_t.to_kind(Kind::Float);
            let levels = NoiseLevels::uniform(level, x.size()[0], x.device());
            // The score of an energy has a graph in any case.
            let untracked = |score: Tensor| if tracked { score } else { score.detach() };
            self.0.score(&x, &levels).map(|score| untracked(score).to_kind(x_t.kind()))
        })??;
        Ok(Prediction { kind: PredictionKind::Score, value, variance_output: None })
    }
}
