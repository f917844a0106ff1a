//! The training objective: noised batches with their targets, and their losses.
//!
//! ```text
//! L = E_{x_0, t, eps} w_t mean_i (target_i - f(c_in x_t, c_noise)_i)^2,     x_t = alpha_t x_0 + sigma_t eps
//! ```
//!
//! t follows [`TimesConfig`]; the target is the network's [`Parameterization`]; the weight, or a term of the variational bound instead
//! of or besides the squared error, is [`LossConfig`]'s. Implicit and sliced score matching need no target: they differentiate the score that
//! the network's output stands for.

mod history;
mod loss;
mod objective_config;
mod times;
mod training_batch;

pub use loss::LossConfig;
pub use objective_config::ObjectiveConfig;
pub use times::{DrawnLevel, TimeSampler, TimesConfig};
pub use training_batch::TrainingBatch;

use crate::TrainError;
use crate::score_matching::ScoreObjective;
use ddpm_core::bound_steps;
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::{BoundStep, LinearMap, Noising, Parameterization, PredictionKind, TimeIndex, Weight};
use ddpm_nets::bound::{self, Answer};
use ddpm_nets::{normal_rows, per_row};
use tch::{Kind, Tensor};
use torch_ext::TorchError;

/// A network's raw output [n, c or 2c, ...] for an input c_in x_t [n, c, ...] whose rows are at the levels of a batch.
pub type NetworkOutput<'a> = dyn Fn(&Tensor) -> Result<Tensor, TorchError> + 'a;

/// The training objective: noises batches and computes their losses.
#[derive(Debug)]
pub struct Objective {
    parameterization: Parameterization,
    noising: Noising,
    loss: LossConfig,
    /// The loss as a score-matching objective, where it is one that differentiates the score.
    score: Option<ScoreObjective>,
    grey_levels: u16,
    /// Of the error of the network's output, by training level; empty where there is no squared error.
    weights: Vec<f64>,
    /// Of the bound, by training level; empty where it has no part in the loss.
    steps: Vec<BoundStep>,
    times: TimeSampler,
    noise: NoiseSource,
    directions: NoiseSource,
}

impl Objective {
    /// Checks the configuration and tabulates what depends on the level alone.
    pub fn new(config: ObjectiveConfig) -> Result<Self, TrainError> {
        config.validate()?;
        let ObjectiveConfig {
            noising,
            parameterization,
            variance,
            loss,
            times,
            grey_levels,
            batch_size,
            seed,
        } = config;
        let weights = match (loss.weight(), noising.schedule()) {
            (Some(weight), Some(schedule)) => weight.table(schedule, parameterization)?,
            _ => Vec::new(),
        };
        let steps = match noising.schedule() {
            Some(schedule) if loss.has_bound() => bound_steps(schedule, variance, None)?,
            _ => Vec::new(),
        };
        Ok(Objective {
            score: loss.score_objective(),
            parameterization,
            loss,
            grey_levels,
            weights,
            steps,
            times: TimeSampler::new(times, noising.clone(), batch_size, seed),
            noise: NoiseSource::new(seed, Purpose::TrainingNoise),
            directions: NoiseSource::new(seed, Purpose::Projection),
            noising,
        })
    }

    /// Draws levels and noise for data x_0 [n, ...] whose first image has the global sample index `first_sample`.
    pub fn batch(&self, x0: &Tensor, first_sample: u64) -> Result<TrainingBatch, TrainError> {
        let n = x0.size()[0] as u64;
        let normal = |draw| {
            normal_rows(&self.noise, first_sample..first_sample + n, draw, &x0.size()[1..], x0.device())
        };
        let z = match self.loss {
            LossConfig::Gaussian {} => Some(normal(1)?),
            _ => None,
        };
        let mut batch = self.batch_with(x0, self.times.draw(first_sample, n as usize)?, normal(0)?, z)?;
        if let Some(score) = &self.score {
            let components = (x0.numel() as u64 / n.max(1)) as usize;
            batch.directions = score.directions(components, &|draw| {
                let samples = first_sample..first_sample + n;
                normal_rows(&self.directions, samples, draw, &x0.size()[1..], x0.device())
            })?;
        }
        Ok(batch)
    }

    /// The batch at given training timesteps, one an image, with noise of x_0's shape; `z` is noise that `gaussian` alone needs.
    pub fn batch_at(
        &self,
        x0: &Tensor,
        timesteps: &[TimeIndex],
        eps: &Tensor,
        z: Option<Tensor>,
    ) -> Result<TrainingBatch, TrainError> {
        let schedule = self.noising.schedule().ok_or_else(|| {
            TrainError::key("diffusion.process", "has no timesteps; draw a batch at levels instead")
        })?;
        let draws = timesteps.iter().map(|&t| DrawnLevel::at(schedule, t)).collect();
        self.batch_with(x0, draws, eps.shallow_clone(), z)
    }

    /// The batch at given levels, one an image.
    pub fn batch_with(
        &self,
        x0: &Tensor,
        draws: Vec<DrawnLevel>,
        eps: Tensor,
        z: Option<Tensor>,
    ) -> Result<TrainingBatch, TrainError> {
        TrainingBatch::new(self.parameterization, x0, draws, eps, z)
    }

    /// The loss of the network for every image of a batch: `[n]`. Differentiable; call it inside `torch_ext::fence`, and with gradients recorded
    /// where the loss [differentiates the score](Objective::differentiates_the_score).
    pub fn losses_of(
        &self,
        batch: &TrainingBatch,
        network: &NetworkOutput<'_>,
    ) -> Result<Tensor, TrainError> {
        match &self.score {
            Some(score) => self.score_losses(score, batch, network),
            None => self.losses(batch, &network(&batch.input)?),
        }
    }

    /// Whether the loss contains a derivative of the score.
    pub fn differentiates_the_score(&self) -> bool {
        self.score.is_some()
    }

    /// Implicit or sliced score matching of the score that the network's output stands for, at x_t.
    fn score_losses(
        &self,
        score: &ScoreObjective,
        batch: &TrainingBatch,
        network: &NetworkOutput<'_>,
    ) -> Result<Tensor, TrainError> {
        let (x_t, levels) = (&batch.noised.x_t, &batch.noised.levels);
        let maps = levels
            .iter()
            .map(|level| Ok(self.parameterization.to_x0(level)?.then(&PredictionKind::Score.from_x0(level)?)))
            .collect::<Result<Vec<LinearMap>, TrainError>>()?;
        let scale = per_row(levels.iter().map(|level| self.parameterization.input_scale(level)), x_t);
        let of_x_t = per_row(maps.iter().map(|map| map.of_x_t), x_t);
        let of_output = per_row(maps.iter().map(|map| map.of_input), x_t);
        let field = |x: &Tensor| {
            let output = network(&torch_ext::fence(|| x * &scale)?)?.to_kind(Kind::Float);
            torch_ext::fence(|| x * &of_x_t + output * &of_output)
        };
        let losses = score.curvature_losses(&field, x_t, &batch.directions)?;
        let components = x_t.numel() / levels.len().max(1);
        let weights = per_row(levels.iter().map(|level| score.row_weight(level, components)), &losses);
        Ok(losses * weights)
    }

    /// The loss of the network's output [n, c or 2c, ...] for every image: `[n]`. Differentiable; call it inside `torch_ext::fence`.
    ///
    /// Fails for losses that need the network itself: see [`Objective::losses_of`].
    pub fn losses(&self, batch: &TrainingBatch, output: &Tensor) -> Result<Tensor, TrainError> {
        if self.score.is_some() {
            let reason =
                format!("{:?} differentiates the network; its output alone is not enough", self.loss.name());
            return Err(TrainError::key("train.loss.kind", reason));
        }
        let output = output.to_kind(Kind::Float);
        let channels = batch.noised.x0.size()[1];
        let (value, fraction) = if output.size()[1] == 2 * channels {
            (output.narrow(1, 0, channels), Some(output.narrow(1, channels, channels)))
        } else {
            (output, None)
        };
        let squared = || -> Result<Tensor, TrainError> {
            let error = (&value - &batch.target).square();
            let n = error.size()[0];
            let weights = per_row(self.weights_of(batch)?, &error).reshape([-1]);
            Ok(error.reshape([n, -1]).mean_dim([1i64].as_slice(), false, Kind::Float) * weights)
        };
        let levels = self.steps.len() as f64 / std::f64::consts::LN_2;
        match self.loss {
            LossConfig::Vlb {} => Ok(self.bound(batch, &value, fraction.as_ref())? * levels),
            LossConfig::Hybrid { lambda } => {
                // The bound trains the variance alone: the prediction is detached from its gradient.
                let bound = self.bound(batch, &value.detach(), fraction.as_ref())?;
                Ok(squared()? + bound * (lambda * levels))
            }
            LossConfig::Gaussian {} => {
                let predicted = self.predicted(batch, &value)?;
                let answer = Answer { x0: &predicted, variance_output: fraction.as_ref() };
                let z = batch.z.as_ref().ok_or_else(|| {
                    TrainError::key(
                        "train.loss.kind",
                        "\"gaussian\" needs noise for x_{t-1}; pass z with the batch",
                    )
                })?;
                Ok(bound::regression(&self.steps_of(batch), &batch.noised.x0, &answer, z, self.grey_levels)?)
            }
            _ => squared(),
        }
    }

    /// The mean of losses `[n]` over the images, each weighed by its level's importance 1/(T p).
    pub fn mean(&self, batch: &TrainingBatch, losses: &Tensor) -> Result<Tensor, TrainError> {
        if batch.draws.iter().all(|draw| draw.importance == 1.0) {
            return Ok(losses.mean(Kind::Float));
        }
        let importance = per_row(batch.draws.iter().map(|draw| draw.importance), losses);
        Ok((losses * importance).mean(Kind::Float))
    }

    /// The training levels of a batch with their losses, for [`TimeSampler::record_losses`]; empty unless levels are drawn by importance.
    pub fn losses_by_level(
        &self,
        batch: &TrainingBatch,
        losses: &Tensor,
    ) -> Result<Vec<(TimeIndex, f64)>, TrainError> {
        if !self.times.is_adaptive() {
            return Ok(Vec::new());
        }
        let values: Vec<f64> =
            Vec::try_from(losses.detach().to_kind(Kind::Double).to_device(tch::Device::Cpu))
                .map_err(torch_ext::TorchError::from)?;
        Ok(batch.draws.iter().zip(values).filter_map(|(draw, loss)| Some((draw.index?, loss))).collect())
    }

    /// The law of the noise levels, which importance sampling adapts to the recorded losses.
    pub fn times(&self) -> &TimeSampler {
        &self.times
    }

    /// The same, to record or restore losses.
    pub fn times_mut(&mut self) -> &mut TimeSampler {
        &mut self.times
    }

    fn weights_of(&self, batch: &TrainingBatch) -> Result<Vec<f64>, TrainError> {
        let weight = self.loss.weight().unwrap_or(Weight::Simple);
        batch
            .draws
            .iter()
            .map(|draw| match draw.index {
                Some(t) if !self.weights.is_empty() => Ok(self.weights[t.0 as usize]),
                _ => Ok(weight.of_error(&draw.level, self.parameterization)?),
            })
            .collect()
    }

    fn steps_of(&self, batch: &TrainingBatch) -> Vec<BoundStep> {
        batch.draws.iter().filter_map(|draw| Some(self.steps[draw.index?.0 as usize])).collect()
    }

    /// The predicted x_0 of a network's output.
    fn predicted(&self, batch: &TrainingBatch, value: &Tensor) -> Result<Tensor, TrainError> {
        let maps: Vec<LinearMap> = batch
            .draws
            .iter()
            .map(|draw| Ok(self.parameterization.to_x0(&draw.level)?))
            .collect::<Result<_, TrainError>>()?;
        let x_t = &batch.noised.x_t;
        let of_x_t = per_row(maps.iter().map(|map| map.of_x_t), x_t);
        Ok(of_x_t * x_t + per_row(maps.iter().map(|map| map.of_input), x_t) * value)
    }

    fn bound(
        &self,
        batch: &TrainingBatch,
        value: &Tensor,
        fraction: Option<&Tensor>,
    ) -> Result<Tensor, TrainError> {
        let predicted = self.predicted(batch, value)?;
        let answer = Answer { x0: &predicted, variance_output: fraction };
        Ok(bound::terms(&self.steps_of(batch), &batch.noised.x0, &answer, self.grey_levels)?)
    }
}

#[cfg(test)]
mod tests;
