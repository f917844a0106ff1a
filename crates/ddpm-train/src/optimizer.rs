//! Adam over an ordered list of weights, with accessible moments so that a run can be resumed exactly.

use tch::{Device, Kind, Tensor};
use torch_ext::foreach::{self, AdamStep, AdamTensors};
use torch_ext::{TorchError, fence};

/// Adam's moments, in the order of the weights.
#[derive(Debug)]
pub struct Adam {
    exp_avgs: Vec<Tensor>,
    exp_avg_sqs: Vec<Tensor>,
    /// The number of updates, once for each weight: the same tensor.
    counters: Vec<Tensor>,
}

impl Adam {
    /// Moments of 0.
    pub fn new(weights: &[Tensor]) -> Self {
        let zeros = || tch::no_grad(|| weights.iter().map(|w| w.detach().zeros_like()).collect());
        let device = weights.first().map_or(Device::Cpu, Tensor::device);
        let counter = Tensor::zeros([] as [i64; 0], (Kind::Float, device));
        let counters = weights.iter().map(|_| counter.shallow_clone()).collect();
        Adam { exp_avgs: zeros(), exp_avg_sqs: zeros(), counters }
    }

    /// First moments.
    pub fn exp_avgs(&self) -> &[Tensor] {
        &self.exp_avgs
    }

    /// Second moments.
    pub fn exp_avg_sqs(&self) -> &[Tensor] {
        &self.exp_avg_sqs
    }

    /// Moves the weights against their gradients; `update`, the number of updates before this one, fixes the bias correction. Nothing moves where
    /// `skip`, a 0-dimensional f32 on the weights' device, is 1.
    pub fn step(
        &self,
        weights: &[Tensor],
        grads: &[Tensor],
        hyper: AdamStep,
        update: u64,
        skip: Option<&Tensor>,
    ) -> Result<(), TorchError> {
        if let Some(counter) = self.counters.first() {
            let _ = fence(|| counter.shallow_clone().fill_((update + 1) as f64))?;
        }
        let tensors = AdamTensors {
            params: weights,
            grads,
            exp_avgs: &self.exp_avgs,
            exp_avg_sqs: &self.exp_avg_sqs,
            steps: &self.counters,
            skip,
        };
        foreach::adam(&tensors, hyper)
    }
}

/// The global norm of the gradients, on their device; gradients are scaled so that it does not exceed `limit` (0: no limit). A norm that is not
/// finite leaves them unchanged, so that the layer can be found.
pub fn clip_global_norm(grads: &[Tensor], limit: f64) -> Result<Tensor, TorchError> {
    let norm = fence(|| foreach::norms(grads).map(|norms| norms.norm()))??;
    if limit > 0.0 {
        // PyTorch's clip_grad_norm_ adds the same 1e-6.
        let factor = fence(|| {
            let exceeds = norm.gt(limit).logical_and(&norm.isfinite());
            ((&norm + 1e-6).reciprocal() * limit).where_self(&exceeds, &norm.ones_like())
        })?;
        // On the CPU the factor is known, and a pass over all gradients costs time.
        if factor.device() != Device::Cpu || fence(|| factor.double_value(&[]))? != 1.0 {
            foreach::scale(grads, &factor)?;
        }
    }
    Ok(norm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TrainConfig;

    #[test]
    fn clipping_keeps_the_direction_and_bounds_the_norm() {
        let grads = [Tensor::from_slice(&[3f32, 0.0]), Tensor::from_slice(&[0f32, 4.0])];
        let norm = |limit| clip_global_norm(&grads, limit).unwrap().double_value(&[]);
        assert!((norm(0.0) - 5.0).abs() < 1e-6);
        assert!((norm(1.0) - 5.0).abs() < 1e-6);
        assert!((grads[0].double_value(&[0]) - 0.6).abs() < 1e-6);
        assert!((norm(1.0) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn the_first_step_of_a_warm_up_moves_nothing() {
        let weights = [Tensor::from_slice(&[1f32, 2.0])];
        let config = TrainConfig { warmup_steps: 10, ..TrainConfig::default() };
        let adam = Adam::new(&weights);
        let grads = [Tensor::from_slice(&[1f32, -1.0])];
        adam.step(&weights, &grads, config.adam_at(0), 0, None).unwrap();
        assert!(weights[0].equal(&Tensor::from_slice(&[1f32, 2.0])));
        adam.step(&weights, &grads, config.adam_at(1), 1, None).unwrap();
        assert!((weights[0].double_value(&[0]) - (1.0 - 2e-5)).abs() < 1e-7);
    }
}
