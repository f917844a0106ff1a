//! Sources of clean training data, by global sample index.

use crate::TrainError;
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::{Level, Target};
use ddpm_data::Shard;
use tch::{Device, Kind, Tensor};
use torch_ext::transfer::upload;

/// Clean data for training.
pub trait Source {
    /// Numbers in one datum.
    fn components(&self) -> usize;

    /// The data x_0 [n, ...] f32 of a process's samples in a step.
    fn batch(&self, step: u64, shard: &Shard) -> Result<Tensor, TrainError>;

    /// The score of the noised data at each row of x_t [n, ...], where it is known.
    fn score(&self, x_t: &Tensor, levels: &[Level]) -> Option<Result<Tensor, TrainError>> {
        let _ = (x_t, levels);
        None
    }
}

/// A closed-form target: every sample is a new draw.
#[derive(Debug)]
pub struct TargetSource {
    target: Target,
    draws: NoiseSource,
    device: Device,
}

impl TargetSource {
    /// Samples of a target as rows [n, d]; `seed` names them.
    pub fn new(target: Target, seed: u64, device: Device) -> Self {
        TargetSource { target, draws: NoiseSource::new(seed, Purpose::Target), device }
    }

    fn rows(&self, values: &[f32]) -> Result<Tensor, TrainError> {
        let d = self.target.dim() as i64;
        Ok(torch_ext::fence(|| upload(Tensor::from_slice(values).reshape([-1, d]), self.device))?)
    }
}

impl Source for TargetSource {
    fn components(&self) -> usize {
        self.target.dim()
    }

    fn batch(&self, step: u64, shard: &Shard) -> Result<Tensor, TrainError> {
        let samples = shard.samples(step).flat_map(|sample| self.target.sample(&self.draws, sample));
        self.rows(&samples.map(|value| value as f32).collect::<Vec<_>>())
    }

    fn score(&self, x_t: &Tensor, levels: &[Level]) -> Option<Result<Tensor, TrainError>> {
        let read = || Vec::<f64>::try_from(x_t.detach().to_kind(Kind::Double).flatten(0, -1));
        let values = match torch_ext::fence(read) {
            Ok(Ok(values)) => values,
            Ok(Err(error)) => return Some(Err(torch_ext::TorchError::from(error).into())),
            Err(error) => return Some(Err(error.into())),
        };
        let rows = values.chunks(self.target.dim()).zip(levels);
        let scores = rows.flat_map(|(x, level)| self.target.score(x, level));
        Some(self.rows(&scores.map(|value| value as f32).collect::<Vec<_>>()))
    }
}
