//! The interface of a sampler on tensors.

use crate::{Evaluator, Noise, SampleError};
use ddpm_core::Level;
use tch::Tensor;

/// A method that moves a batch from one noise level to a lower one, step by step.
///
/// A method keeps what it needs from earlier steps; [`Sampler::begin`] discards it.
pub trait Sampler {
    /// Goes back to the first step, for a new batch.
    fn begin(&mut self);

    /// Number of steps, where it is known in advance.
    fn steps(&self) -> Option<usize>;

    /// Takes the next step from the state `x_t` [n, ...]; `None` where the last one is taken.
    ///
    /// Runs inside `torch_ext::fence` and without gradients, so tensor operators may be used freely.
    fn step(
        &mut self,
        x_t: &Tensor,
        denoiser: &mut Evaluator<'_>,
        noise: &mut dyn Noise,
    ) -> Result<Option<Moved>, SampleError>;
}

/// A step that was taken.
#[derive(Debug)]
pub struct Moved {
    /// The level before.
    pub from: Level,
    /// The level after.
    pub to: Level,
    /// The state after [n, ...].
    pub x: Tensor,
}
