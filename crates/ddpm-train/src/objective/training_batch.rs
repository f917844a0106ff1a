//! A noised batch with its target.
//!
//! ```text
//! x_t = alpha x_0 + sigma eps          target = a x_t + b x_0 = (a alpha + b) x_0 + a sigma eps
//! ```
//!
//! a and b are those of the network's [`Parameterization`]: 0 and 1 for x_0, 1/sigma and -alpha/sigma for eps.

use super::times::DrawnLevel;
use crate::TrainError;
use ddpm_core::{LinearMap, Parameterization};
use ddpm_nets::{NetworkInput, NoisedBatch, per_row};
use tch::Tensor;

/// The inputs of a network for a noised batch, and its target.
#[derive(Debug)]
pub struct TrainingBatch {
    /// The network's input [n, ...]: x_t, scaled for EDM.
    pub input: Tensor,
    /// The number that tells it the noise level `[n]`, f32.
    pub condition: Tensor,
    /// The target, of x_0's shape.
    pub target: Tensor,
    /// The data, the noise and x_t.
    pub(super) noised: NoisedBatch,
    /// (x_{t-1} - posterior mean) / posterior standard deviation, of x_0's shape; only for the loss `gaussian`.
    pub(super) z: Option<Tensor>,
    /// Random directions of x_0's shape, for losses that differentiate the score along them.
    pub(super) directions: Vec<Tensor>,
    pub(super) draws: Vec<DrawnLevel>,
}

impl TrainingBatch {
    /// Data x_0 [n, ...] with noise of their shape at drawn levels, one an image.
    pub(super) fn new(
        parameterization: Parameterization,
        x0: &Tensor,
        draws: Vec<DrawnLevel>,
        eps: Tensor,
        z: Option<Tensor>,
    ) -> Result<Self, TrainError> {
        let noised = NoisedBatch::new(x0, eps, draws.iter().map(|draw| draw.level).collect())?;
        let NetworkInput { input, condition } = noised.network_input(parameterization)?;
        let maps = noised.levels.iter().map(|level| Ok(parameterization.from_x0(level)?));
        let maps = maps.collect::<Result<Vec<LinearMap>, TrainError>>()?;
        // Each factor is exactly 0 or 1 where the parameterization says so; those of (x_t - alpha x_0)/sigma are not.
        let factors = |of: fn(&LinearMap, &DrawnLevel) -> f64| {
            per_row(maps.iter().zip(&draws).map(|(map, draw)| of(map, draw)), x0)
        };
        let target = torch_ext::fence(|| {
            let of_x0 = factors(|map, draw| map.of_x_t * draw.level.alpha() + map.of_input);
            let of_eps = factors(|map, draw| map.of_x_t * draw.level.sigma());
            of_x0 * x0 + of_eps * &noised.eps
        })?;
        Ok(TrainingBatch { input, condition, target, noised, z, directions: Vec::new(), draws })
    }
}
