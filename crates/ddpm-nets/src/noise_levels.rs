//! Noise levels as tensors, one a row: what a score network is shown.

use ddpm_core::{Level, Time};
use tch::{Device, Kind, Tensor};
use torch_ext::transfer::upload;

/// The levels of a batch whose rows are noised differently: f32 columns `[n]`.
#[derive(Debug)]
pub struct NoiseLevels {
    alpha: Tensor,
    sigma: Tensor,
    time: Tensor,
}

impl NoiseLevels {
    /// Row i is at `levels[i]`.
    pub fn new(levels: &[Level], device: Device) -> Self {
        let column = |of: fn(&Level) -> f64| {
            let values: Vec<f32> = levels.iter().map(|level| of(level) as f32).collect();
            upload(Tensor::from_slice(&values), device)
        };
        NoiseLevels { alpha: column(Level::alpha), sigma: column(Level::sigma), time: column(coordinate) }
    }

    /// All of `n` rows are at one level.
    pub fn uniform(level: &Level, n: i64, device: Device) -> Self {
        let column = |value: f64| Tensor::full([n], value, (Kind::Float, device));
        NoiseLevels {
            alpha: column(level.alpha()),
            sigma: column(level.sigma()),
            time: column(coordinate(level)),
        }
    }

    /// Signal scale `[n]`.
    pub fn alpha(&self) -> &Tensor {
        &self.alpha
    }

    /// Noise standard deviation `[n]`.
    pub fn sigma(&self) -> &Tensor {
        &self.sigma
    }

    /// The number that tells a network the noise level of each row `[n]`: the timestep, the process's time, or sigma; 0 for data without
    /// noise.
    pub fn time(&self) -> &Tensor {
        &self.time
    }
}

fn coordinate(level: &Level) -> f64 {
    match level.time() {
        Time::Clean => 0.0,
        Time::Index(t) => f64::from(t.0),
        Time::FractionalIndex(t) | Time::Continuous(t) | Time::Sigma(t) => t,
    }
}
