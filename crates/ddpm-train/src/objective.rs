//! The objective: Ho et al. 2020's L_simple, eq. 14, for any prediction kind.
//!
//! ```text
//! L = E_{x_0, t, eps} mean_i (target_i - f(x_t, t)_i)^2,     x_t = alpha_t x_0 + sigma_t eps,     t ~ U{0..T-1}
//! ```

use crate::TrainError;
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::{PredictionKind, Schedule};
use tch::{Device, Kind, Tensor};

/// Draws (t, eps) for a batch and states what the network should answer.
#[derive(Debug)]
pub struct Objective {
    prediction: PredictionKind,
    train_steps: u64,
    /// alpha and sigma of every level, f32 [T].
    alpha: Tensor,
    sigma: Tensor,
    time: NoiseSource,
    noise: NoiseSource,
}

/// What a network sees and what it should answer.
#[derive(Debug)]
pub struct Problem {
    /// Noised images, [n, ...].
    pub x_t: Tensor,
    /// Timesteps, i64 [n], 0-based.
    pub t: Tensor,
    /// The quantity to predict, of x_t's shape.
    pub target: Tensor,
}

impl Objective {
    /// The objective over a schedule; `seed` names the noise.
    pub fn new(schedule: &Schedule, prediction: PredictionKind, seed: u64, device: Device) -> Self {
        let table = |f: fn(&ddpm_core::Level) -> f64| {
            let values: Vec<f32> = schedule.levels().map(|level| f(&level) as f32).collect();
            Tensor::from_slice(&values).to_device(device)
        };
        Objective {
            prediction,
            train_steps: schedule.steps() as u64,
            alpha: table(ddpm_core::Level::alpha),
            sigma: table(ddpm_core::Level::sigma),
            time: NoiseSource::new(seed, Purpose::TrainingTime),
            noise: NoiseSource::new(seed, Purpose::TrainingNoise),
        }
    }

    /// Noises a batch x_0 [n, ...] whose first image has the global sample index `first_sample`.
    pub fn pose(&self, x0: &Tensor, first_sample: u64) -> Result<Problem, TrainError> {
        let n = x0.size()[0] as u64;
        let size = x0.numel() / n.max(1) as usize;
        let t: Vec<i64> = (0..n).map(|i| self.draw_time(first_sample + i)).collect();
        let mut eps = vec![0f32; x0.numel()];
        for (row, values) in eps.chunks_mut(size.max(1)).enumerate() {
            self.noise.fill_normal(first_sample + row as u64, 0, values);
        }
        Ok(torch_ext::fence(|| {
            let device = x0.device();
            let t = Tensor::from_slice(&t).to_device(device);
            let eps = Tensor::from_slice(&eps).reshape(x0.size()).to_device(device);
            self.pose_with(x0, t, &eps)
        })?)
    }

    /// The problem for given timesteps i64 `[n]` and noise of x_0's shape.
    pub fn pose_with(&self, x0: &Tensor, t: Tensor, eps: &Tensor) -> Problem {
        let mut shape = vec![1i64; x0.dim()];
        shape[0] = -1;
        let alpha = self.alpha.index_select(0, &t).reshape(&shape);
        let sigma = self.sigma.index_select(0, &t).reshape(&shape);
        let x_t = &alpha * x0 + &sigma * eps;
        let target = match self.prediction {
            PredictionKind::Epsilon => eps.shallow_clone(),
            PredictionKind::X0 => x0.shallow_clone(),
            PredictionKind::V => &alpha * eps - &sigma * x0,
            PredictionKind::Score => -(eps / &sigma),
        };
        Problem { x_t, t, target }
    }

    fn draw_time(&self, sample: u64) -> i64 {
        use rand_distr::{Distribution, Uniform};
        match Uniform::new(0, self.train_steps) {
            Ok(law) => law.sample(&mut self.time.rng(sample, 0)) as i64,
            // A schedule has at least one level.
            Err(_) => 0,
        }
    }
}

/// The mean over all components of the squared error, in f32.
pub(crate) fn mean_squared_error(output: &Tensor, target: &Tensor) -> Tensor {
    (output.to_kind(Kind::Float) - target).square().mean(Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_uniform_and_every_image_keeps_its_own_draw() {
        let schedule = Schedule::linear_between(1e-3, 0.2, 10).unwrap();
        let objective = Objective::new(&schedule, PredictionKind::Epsilon, 1, Device::Cpu);
        let n = 20_000;
        let mut counts = [0f64; 10];
        for sample in 0..n {
            counts[objective.draw_time(sample) as usize] += 1.0;
        }
        let expected = n as f64 / 10.0;
        let chi_square: f64 = counts.iter().map(|c| (c - expected).powi(2) / expected).sum();
        assert!(chi_square < 27.9, "9 degrees of freedom, 1e-3: {counts:?}");

        let x0 = Tensor::ones([4, 1, 2, 2], (Kind::Float, Device::Cpu));
        let whole = objective.pose(&x0, 100).unwrap();
        let part = objective.pose(&x0.narrow(0, 0, 2), 102).unwrap();
        assert!(whole.x_t.narrow(0, 2, 2).equal(&part.x_t));
        assert!(whole.t.narrow(0, 2, 2).equal(&part.t));
    }

    #[test]
    fn targets_are_what_the_kinds_define() {
        let schedule = Schedule::linear(1000).unwrap();
        let x0 = Tensor::from_slice(&[0.3f32, -0.8]).reshape([2, 1]);
        let eps = Tensor::from_slice(&[-1.1f32, 0.4]).reshape([2, 1]);
        for kind in [PredictionKind::Epsilon, PredictionKind::X0, PredictionKind::V, PredictionKind::Score] {
            let objective = Objective::new(&schedule, kind, 1, Device::Cpu);
            let problem = objective.pose_with(&x0, Tensor::from_slice(&[5i64, 900]), &eps);
            for (row, t) in [5u32, 900].into_iter().enumerate() {
                let at = |tensor: &Tensor| tensor.double_value(&[row as i64, 0]);
                let map = kind.from_x0(&schedule.level(ddpm_core::TimeIndex(t))).unwrap();
                let expected = map.apply(at(&problem.x_t), at(&x0));
                assert!((at(&problem.target) - expected).abs() < 2e-5 * (1.0 + expected.abs()), "{kind:?}");
            }
        }
    }
}
