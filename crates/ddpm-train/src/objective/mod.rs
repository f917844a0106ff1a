//! The objective: what a batch is turned into, and what the network's answer costs.
//!
//! ```text
//! L = E_{x_0, t, eps} w_t mean_i (target_i - f(c_in x_t, c_noise)_i)^2,     x_t = alpha_t x_0 + sigma_t eps
//! ```
//!
//! t follows [`TimesConfig`]; the target is the network's [`Parameterization`]; the weight, or a term of the variational bound instead
//! of or besides the squared error, is [`LossConfig`]'s.

mod history;
mod loss;
mod times;

pub use loss::LossConfig;
pub use times::{Draw, TimeSampler, TimesConfig};

use crate::TrainError;
use ddpm_core::bound::bound_steps;
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::{
    BoundStep, LinearMap, Parameterization, PredictionKind, Schedule, TimeIndex, Variance, Weight,
};
use ddpm_nets::bound::{self, Answer};
use std::path::Path;
use tch::{Kind, Tensor};

/// Everything that an objective depends on besides the batch.
#[derive(Clone, Debug)]
pub struct ObjectiveConfig {
    /// The training levels.
    pub schedule: Schedule,
    /// What the network is shown and what it answers.
    pub parameterization: Parameterization,
    /// Variance of the reverse steps, for terms of the bound.
    pub variance: Variance,
    /// What is minimized.
    pub loss: LossConfig,
    /// Which levels are drawn.
    pub times: TimesConfig,
    /// Grey levels of the data, evenly spaced in [-1, 1].
    pub grey_levels: u16,
    /// Images a step in all processes together.
    pub batch_size: usize,
    /// Names the noise.
    pub seed: u64,
}

impl ObjectiveConfig {
    /// L_simple over uniform levels (Ho et al. 2020).
    pub fn simple(schedule: Schedule, prediction: PredictionKind, batch_size: usize, seed: u64) -> Self {
        ObjectiveConfig {
            schedule,
            parameterization: prediction.into(),
            variance: Variance::FixedLarge,
            loss: LossConfig::Simple {},
            times: TimesConfig::Uniform {},
            grey_levels: 256,
            batch_size,
            seed,
        }
    }

    /// Checks that the parts belong together; the text names the key.
    fn validate(&self) -> Result<(), TrainError> {
        let wrong = |key: &'static str, reason: String| Err(TrainError::Combination { key, reason });
        self.times.validate()?;
        let (loss, learned) = (self.loss.name(), self.variance == Variance::LearnedRange);
        match self.loss {
            LossConfig::Hybrid { .. } | LossConfig::Gaussian {} if !learned => {
                return wrong(
                    "train.loss.kind",
                    format!(
                        "{loss:?} trains a variance; set diffusion.variance = \"learned-range\", or use \"vlb\""
                    ),
                );
            }
            LossConfig::Hybrid { lambda } if !(lambda > 0.0 && lambda.is_finite()) => {
                return wrong("train.loss.lambda", format!("must be positive, got {lambda}"));
            }
            _ if learned && !self.loss.has_bound() => {
                return wrong(
                    "train.loss.kind",
                    format!(
                        "{loss:?} leaves the learned variance untrained; use \"hybrid\", \"vlb\" or \"gaussian\""
                    ),
                );
            }
            LossConfig::Edm { sigma_data } => {
                if let Parameterization::Edm(edm) = self.parameterization
                    && edm.sigma_data != sigma_data
                {
                    return wrong(
                        "train.loss.sigma_data",
                        format!("must equal diffusion.sigma_data ({}), got {sigma_data}", edm.sigma_data),
                    );
                }
            }
            _ => {}
        }
        if matches!(self.times, TimesConfig::LogNormal { .. }) {
            if !matches!(self.parameterization, Parameterization::Edm(_)) {
                return wrong(
                    "train.times.sampler",
                    "\"log-normal\" draws noise levels that are no timesteps, which takes diffusion.prediction = \"edm\"; use \"uniform\", \"stratified\" or \"importance\"".into(),
                );
            }
            if self.loss.has_bound() || matches!(self.loss, LossConfig::WeightedVlb { .. }) {
                return wrong(
                    "train.times.sampler",
                    format!(
                        "\"log-normal\" draws noise levels that have no step of the bound; use \"uniform\" with the loss {loss:?}"
                    ),
                );
            }
        }
        Ok(())
    }
}

/// Draws (t, eps) for a batch and states what the network should answer.
#[derive(Debug)]
pub struct Objective {
    parameterization: Parameterization,
    schedule: Schedule,
    loss: LossConfig,
    grey_levels: u16,
    /// Of the error of the network's output, by training level; empty where there is no squared error.
    weights: Vec<f64>,
    /// Of the bound, by training level; empty where it has no part in the loss.
    steps: Vec<BoundStep>,
    times: TimeSampler,
    noise: NoiseSource,
}

/// What a network sees and what it should answer.
#[derive(Debug)]
pub struct Problem {
    /// What the network sees [n, ...]: noised images, scaled for EDM.
    pub input: Tensor,
    /// What it is told of the noise `[n]`, f32.
    pub condition: Tensor,
    /// What it should answer, of x_0's shape.
    pub target: Tensor,
    x0: Tensor,
    x_t: Tensor,
    /// Where x_{t-1} lies about the posterior mean, in standard deviations; only for `gaussian`.
    z: Option<Tensor>,
    draws: Vec<Draw>,
}

impl Objective {
    /// Checks the configuration and tabulates what depends on the level alone.
    pub fn new(config: ObjectiveConfig) -> Result<Self, TrainError> {
        config.validate()?;
        let ObjectiveConfig {
            schedule,
            parameterization,
            variance,
            loss,
            times,
            grey_levels,
            batch_size,
            seed,
        } = config;
        let weights = match loss.weight() {
            Some(weight) => weight.table(&schedule, parameterization)?,
            None => Vec::new(),
        };
        let steps = if loss.has_bound() { bound_steps(&schedule, variance, None)? } else { Vec::new() };
        Ok(Objective {
            parameterization,
            loss,
            grey_levels,
            weights,
            steps,
            times: TimeSampler::new(times, schedule.clone(), batch_size, seed),
            noise: NoiseSource::new(seed, Purpose::TrainingNoise),
            schedule,
        })
    }

    /// Noises a batch x_0 [n, ...] whose first image has the global sample index `first_sample`.
    pub fn pose(&self, x0: &Tensor, first_sample: u64) -> Result<Problem, TrainError> {
        let n = x0.size()[0] as usize;
        let draws = self.times.draw(first_sample, n);
        let eps = self.normal(x0, first_sample, 0)?;
        let z = match self.loss {
            LossConfig::Gaussian {} => Some(self.normal(x0, first_sample, 1)?),
            _ => None,
        };
        self.pose_with(x0, &draws, &eps, z)
    }

    fn normal(&self, x0: &Tensor, first_sample: u64, draw: u64) -> Result<Tensor, TrainError> {
        let size = x0.numel() / (x0.size()[0] as usize).max(1);
        let mut values = vec![0f32; x0.numel()];
        for (row, values) in values.chunks_mut(size.max(1)).enumerate() {
            self.noise.fill_normal(first_sample + row as u64, draw, values);
        }
        Ok(torch_ext::fence(|| Tensor::from_slice(&values).reshape(x0.size()).to_device(x0.device()))?)
    }

    /// The problem at given training timesteps, one an image, with noise of x_0's shape; `z` is noise that `gaussian` alone needs.
    pub fn pose_at(
        &self,
        x0: &Tensor,
        timesteps: &[TimeIndex],
        eps: &Tensor,
        z: Option<Tensor>,
    ) -> Result<Problem, TrainError> {
        let draws: Vec<Draw> = timesteps.iter().map(|&t| Draw::at(&self.schedule, t)).collect();
        self.pose_with(x0, &draws, eps, z)
    }

    /// The problem for given levels, one an image.
    pub fn pose_with(
        &self,
        x0: &Tensor,
        draws: &[Draw],
        eps: &Tensor,
        z: Option<Tensor>,
    ) -> Result<Problem, TrainError> {
        let rows = |f: &dyn Fn(&Draw) -> f64| column(draws.iter().map(f), x0);
        let condition: Vec<f32> = draws
            .iter()
            .map(|draw| Ok(self.parameterization.condition(&draw.level)? as f32))
            .collect::<Result<_, TrainError>>()?;
        // target = a x_t + b x_0 = (a alpha + b) x_0 + a sigma eps: each exactly 0 or 1 where the kind says so, which (x_t - alpha x_0)/sigma is not.
        let maps: Vec<LinearMap> = draws
            .iter()
            .map(|draw| Ok(self.parameterization.from_x0(&draw.level)?))
            .collect::<Result<_, TrainError>>()?;
        let target = |f: &dyn Fn(&LinearMap, &Draw) -> f64| {
            column(maps.iter().zip(draws).map(|(map, draw)| f(map, draw)), x0)
        };
        torch_ext::fence(|| -> Result<Problem, TrainError> {
            let x_t = rows(&|draw| draw.level.alpha())? * x0 + rows(&|draw| draw.level.sigma())? * eps;
            let of_x0 = target(&|map, draw| map.of_x_t * draw.level.alpha() + map.of_input)?;
            let of_eps = target(&|map, draw| map.of_x_t * draw.level.sigma())?;
            let input = match self.parameterization {
                Parameterization::Plain(_) => x_t.shallow_clone(),
                Parameterization::Edm(_) => {
                    &x_t * rows(&|draw| self.parameterization.input_scale(&draw.level))?
                }
            };
            Ok(Problem {
                input,
                condition: Tensor::from_slice(&condition).to_device(x0.device()),
                target: of_x0 * x0 + of_eps * eps,
                x0: x0.shallow_clone(),
                x_t,
                z,
                draws: draws.to_vec(),
            })
        })?
    }

    /// What the network's output [n, c or 2c, ...] costs, image by image: `[n]`. Differentiable; call it inside `torch_ext::fence`.
    pub fn losses(&self, problem: &Problem, output: &Tensor) -> Result<Tensor, TrainError> {
        let output = output.to_kind(Kind::Float);
        let channels = problem.x0.size()[1];
        let (value, fraction) = if output.size()[1] == 2 * channels {
            (output.narrow(1, 0, channels), Some(output.narrow(1, channels, channels)))
        } else {
            (output, None)
        };
        let squared = || -> Result<Tensor, TrainError> {
            let error = (&value - &problem.target).square();
            let n = error.size()[0];
            let weights = column(self.weights_of(problem)?.into_iter(), &problem.x0)?.reshape([-1]);
            Ok(error.reshape([n, -1]).mean_dim([1i64].as_slice(), false, Kind::Float) * weights)
        };
        let levels = self.schedule.steps() as f64 / std::f64::consts::LN_2;
        match self.loss {
            LossConfig::Vlb {} => Ok(self.bound(problem, &value, fraction.as_ref())? * levels),
            LossConfig::Hybrid { lambda } => {
                // The bound shapes the variance alone: through the prediction its gradient does not go.
                let bound = self.bound(problem, &value.detach(), fraction.as_ref())?;
                Ok(squared()? + bound * (lambda * levels))
            }
            LossConfig::Gaussian {} => {
                let predicted = self.predicted(problem, &value)?;
                let answer = Answer { x0: &predicted, variance_fraction: fraction.as_ref() };
                let z = problem.z.as_ref().ok_or_else(|| TrainError::Combination {
                    key: "train.loss.kind",
                    reason: "\"gaussian\" needs noise for x_{t-1}; pose the problem with it".into(),
                })?;
                Ok(bound::regression(&self.steps_of(problem), &problem.x0, &answer, z, self.grey_levels)?)
            }
            _ => squared(),
        }
    }

    /// The mean of losses `[n]` over the images, each weighed by how rare its level is.
    pub fn mean(&self, problem: &Problem, losses: &Tensor) -> Result<Tensor, TrainError> {
        if problem.draws.iter().all(|draw| draw.importance == 1.0) {
            return Ok(losses.mean(Kind::Float));
        }
        let importance = column(problem.draws.iter().map(|draw| draw.importance), losses)?;
        Ok((losses * importance).mean(Kind::Float))
    }

    /// The training levels of a problem with their losses, for [`Objective::observe`]; empty where nothing is learnt from them.
    pub fn seen(&self, problem: &Problem, losses: &Tensor) -> Result<Vec<(TimeIndex, f64)>, TrainError> {
        if !self.times.is_adaptive() {
            return Ok(Vec::new());
        }
        let values: Vec<f64> =
            Vec::try_from(losses.detach().to_kind(Kind::Double).to_device(tch::Device::Cpu))
                .map_err(torch_ext::TorchError::from)?;
        Ok(problem.draws.iter().zip(values).filter_map(|(draw, loss)| Some((draw.index?, loss))).collect())
    }

    /// Learns from the losses of a step, in the order of their samples.
    pub fn observe(&mut self, losses: &[(TimeIndex, f64)]) {
        self.times.observe(losses);
    }

    /// Writes what was learnt into a checkpoint's `state/`.
    pub fn save(&self, state: &Path) -> Result<(), TrainError> {
        self.times.save(state)
    }

    /// Restores it.
    pub fn load(&mut self, state: &Path) -> Result<(), TrainError> {
        self.times.load(state)
    }

    fn weights_of(&self, problem: &Problem) -> Result<Vec<f64>, TrainError> {
        let weight = self.loss.weight().unwrap_or(Weight::Simple);
        problem
            .draws
            .iter()
            .map(|draw| match draw.index {
                Some(t) => Ok(self.weights[t.0 as usize]),
                None => Ok(weight.of_error(&draw.level, self.parameterization)?),
            })
            .collect()
    }

    fn steps_of(&self, problem: &Problem) -> Vec<BoundStep> {
        problem.draws.iter().filter_map(|draw| Some(self.steps[draw.index?.0 as usize])).collect()
    }

    /// The predicted x_0 of a network's output.
    fn predicted(&self, problem: &Problem, value: &Tensor) -> Result<Tensor, TrainError> {
        let maps: Vec<LinearMap> = problem
            .draws
            .iter()
            .map(|draw| Ok(self.parameterization.to_x0(&draw.level)?))
            .collect::<Result<_, TrainError>>()?;
        let of_x_t = column(maps.iter().map(|map| map.of_x_t), &problem.x0)?;
        let of_input = column(maps.iter().map(|map| map.of_input), &problem.x0)?;
        Ok(of_x_t * &problem.x_t + of_input * value)
    }

    fn bound(
        &self,
        problem: &Problem,
        value: &Tensor,
        fraction: Option<&Tensor>,
    ) -> Result<Tensor, TrainError> {
        let predicted = self.predicted(problem, value)?;
        let answer = Answer { x0: &predicted, variance_fraction: fraction };
        Ok(bound::terms(&self.steps_of(problem), &problem.x0, &answer, self.grey_levels)?)
    }
}

/// A number a row, f32 of shape [n, 1, ...] beside `like`.
fn column(values: impl Iterator<Item = f64>, like: &Tensor) -> Result<Tensor, TrainError> {
    let values: Vec<f32> = values.map(|value| value as f32).collect();
    let mut shape = vec![1i64; like.dim()];
    shape[0] = -1;
    Ok(torch_ext::fence(|| Tensor::from_slice(&values).to_device(like.device()).reshape(&shape))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ddpm_core::{Preconditioning, ScheduleConfig, ScheduleKind};
    use tch::Device;

    const KINDS: [PredictionKind; 4] =
        [PredictionKind::Epsilon, PredictionKind::X0, PredictionKind::V, PredictionKind::Score];

    fn random(shape: &[i64], seed: i64) -> Tensor {
        tch::manual_seed(seed);
        Tensor::randn(shape, (Kind::Float, Device::Cpu))
    }

    fn edm() -> ObjectiveConfig {
        ObjectiveConfig {
            schedule: ScheduleConfig::new(ScheduleKind::Karras).build().unwrap(),
            parameterization: Parameterization::Edm(Preconditioning::default()),
            loss: LossConfig::Edm { sigma_data: 0.5 },
            times: TimesConfig::LogNormal { mean: -1.2, std: 1.2 },
            ..ObjectiveConfig::simple(Schedule::linear(1000).unwrap(), PredictionKind::X0, 4, 1)
        }
    }

    fn simple(kind: PredictionKind) -> ObjectiveConfig {
        ObjectiveConfig::simple(Schedule::linear(1000).unwrap(), kind, 4, 1)
    }

    #[test]
    fn every_image_keeps_its_noise_however_the_batch_is_cut() {
        for config in [simple(PredictionKind::V), edm()] {
            let objective = Objective::new(config).unwrap();
            let x0 = Tensor::ones([4, 1, 2, 2], (Kind::Float, Device::Cpu));
            let whole = objective.pose(&x0, 100).unwrap();
            let part = objective.pose(&x0.narrow(0, 0, 2), 102).unwrap();
            assert!(whole.input.narrow(0, 2, 2).equal(&part.input));
            assert!(whole.condition.narrow(0, 2, 2).equal(&part.condition));
            assert!(whole.target.narrow(0, 2, 2).equal(&part.target));
        }
    }

    #[test]
    fn targets_are_what_the_kinds_define() {
        let x0 = Tensor::from_slice(&[0.3f32, -0.8]).reshape([2, 1]);
        let eps = Tensor::from_slice(&[-1.1f32, 0.4]).reshape([2, 1]);
        let plain = KINDS.map(|kind| (simple(kind), Parameterization::Plain(kind)));
        let wrapped = ObjectiveConfig { times: TimesConfig::Uniform {}, ..edm() };
        let wrapped = (wrapped.clone(), wrapped.parameterization);
        for (config, parameterization) in plain.into_iter().chain([wrapped]) {
            let schedule = config.schedule.clone();
            let objective = Objective::new(config).unwrap();
            let problem = objective.pose_at(&x0, &[TimeIndex(5), TimeIndex(900)], &eps, None).unwrap();
            for (row, t) in [5u32, 900].into_iter().enumerate() {
                let at = |tensor: &Tensor| tensor.double_value(&[row as i64, 0]);
                let level = schedule.level(TimeIndex(t));
                let (alpha, sigma) = (level.alpha(), level.sigma());
                let x_t = alpha * at(&x0) + sigma * at(&eps);
                let expected = parameterization.from_x0(&level).unwrap().apply(x_t, at(&x0));
                assert!(
                    (at(&problem.target) - expected).abs() < 1e-6 * (1.0 + expected.abs()),
                    "{parameterization:?}"
                );
                let input = parameterization.input_scale(&level) * x_t;
                assert!((at(&problem.input) - input).abs() < 1e-6 * (1.0 + input.abs()));
            }
        }
        let epsilon = Objective::new(simple(PredictionKind::Epsilon)).unwrap();
        assert!(
            epsilon.pose_at(&x0, &[TimeIndex(0), TimeIndex(999)], &eps, None).unwrap().target.equal(&eps)
        );
    }

    #[test]
    fn a_loss_is_the_same_whatever_the_network_predicts() {
        let (x0, eps) = (random(&[3, 2, 2, 2], 1), random(&[3, 2, 2, 2], 2));
        let guess = &x0 + random(&[3, 2, 2, 2], 3) * 0.1;
        let timesteps = [TimeIndex(20), TimeIndex(400), TimeIndex(700)];
        for loss in [
            LossConfig::Simple {},
            LossConfig::Snr {},
            LossConfig::Truncated {},
            LossConfig::MinSnr { gamma: 5.0 },
            LossConfig::P2 { k: 1.0, gamma: 0.5 },
            LossConfig::Edm { sigma_data: 0.5 },
            LossConfig::WeightedVlb { variance: Variance::FixedSmall },
            LossConfig::Vlb {},
        ] {
            let losses = KINDS.map(|kind| {
                let objective = Objective::new(ObjectiveConfig { loss, ..simple(kind) }).unwrap();
                let problem = objective.pose_at(&x0, &timesteps, &eps, None).unwrap();
                let rows = |f: fn(&LinearMap) -> f64| {
                    let maps = timesteps.map(|t| kind.from_x0(&objective.schedule.level(t)).unwrap());
                    column(maps.iter().map(f), &x0).unwrap()
                };
                let output = rows(|map| map.of_x_t) * &problem.x_t + rows(|map| map.of_input) * &guess;
                let losses = objective.losses(&problem, &output).unwrap();
                objective.mean(&problem, &losses).unwrap().double_value(&[])
            });
            for value in losses {
                assert!((value / losses[1] - 1.0).abs() < 2e-3, "{loss:?}: {losses:?}");
            }
        }
    }

    #[test]
    fn the_bound_as_a_weight_and_as_a_loss_differ_by_what_no_network_changes() {
        // With the posterior's variance a term of the bound is the weighted error alone.
        let (x0, eps) = (random(&[3, 1, 4, 4], 1), random(&[3, 1, 4, 4], 2));
        let output = random(&[3, 1, 4, 4], 3);
        let timesteps = [TimeIndex(1), TimeIndex(40), TimeIndex(999)];
        let losses = |loss: LossConfig| {
            let config =
                ObjectiveConfig { loss, variance: Variance::FixedSmall, ..simple(PredictionKind::Epsilon) };
            let objective = Objective::new(config).unwrap();
            let problem = objective.pose_at(&x0, &timesteps, &eps, None).unwrap();
            objective.losses(&problem, &output).unwrap()
        };
        let bits = losses(LossConfig::Vlb {}) * (std::f64::consts::LN_2 / 1000.0);
        let weighted = losses(LossConfig::WeightedVlb { variance: Variance::FixedSmall });
        let worst = ((bits - &weighted) / &weighted).abs().max().double_value(&[]);
        assert!(worst < 1e-4, "{worst}");
    }

    #[test]
    fn the_hybrid_loss_leaves_the_prediction_to_the_squared_error() {
        let config = |loss| ObjectiveConfig {
            loss,
            variance: Variance::LearnedRange,
            ..simple(PredictionKind::Epsilon)
        };
        let (x0, eps) = (random(&[4, 3, 4, 4], 1).clamp(-1.0, 1.0), random(&[4, 3, 4, 4], 2));
        let timesteps = [TimeIndex(0), TimeIndex(3), TimeIndex(500), TimeIndex(999)];
        let gradient = |loss: LossConfig, twice: bool| {
            let variance = if twice { Variance::LearnedRange } else { Variance::FixedLarge };
            let objective = Objective::new(ObjectiveConfig { variance, ..config(loss) }).unwrap();
            let z = random(&[4, 3, 4, 4], 5);
            let problem = objective.pose_at(&x0, &timesteps, &eps, Some(z)).unwrap();
            let whole = random(&[4, 6, 4, 4], 3);
            let output = if twice { whole } else { whole.narrow(1, 0, 3).copy() }.set_requires_grad(true);
            let losses = objective.losses(&problem, &output).unwrap();
            objective.mean(&problem, &losses).unwrap().backward();
            output.grad()
        };
        let hybrid = gradient(LossConfig::Hybrid { lambda: 1e-3 }, true);
        let simple = gradient(LossConfig::Simple {}, false);
        let vlb = gradient(LossConfig::Vlb {}, true);
        assert!(hybrid.narrow(1, 0, 3).allclose(&simple, 1e-6, 1e-9, false));
        assert!(hybrid.narrow(1, 3, 3).allclose(&(vlb.narrow(1, 3, 3) * 1e-3), 1e-5, 1e-9, false));
        // The regression moves the mean as well.
        let gaussian = gradient(LossConfig::Gaussian {}, true);
        assert!(gaussian.narrow(1, 0, 3).abs().max().double_value(&[]) > 1e-4);
        assert!(gaussian.isfinite().all().int64_value(&[]) == 1);
    }

    #[test]
    fn regression_finds_the_variance_of_the_state_before() {
        // Data N(0, l): x_0 given x_t has variance l sigma^2/(alpha^2 l + sigma^2), and x_s given x_t post + b^2 times that.
        let (l, t, n) = (0.3f64, TimeIndex(1), 4000i64);
        let schedule = Schedule::linear(1000).unwrap();
        let config = ObjectiveConfig {
            loss: LossConfig::Gaussian {},
            variance: Variance::LearnedRange,
            ..simple(PredictionKind::X0)
        };
        let objective = Objective::new(config).unwrap();
        let x0 = random(&[n, 1, 4, 4], 1) * l.sqrt();
        let problem = objective
            .pose_at(&x0, &vec![t; n as usize], &random(&[n, 1, 4, 4], 2), Some(random(&[n, 1, 4, 4], 3)))
            .unwrap();
        let level = schedule.level(t);
        let marginal = level.alpha_bar() * l + level.sigma().powi(2);
        let mean = &problem.x_t * (level.alpha() * l / marginal);
        let step = bound_steps(&schedule, Variance::LearnedRange, None).unwrap()[t.0 as usize];
        let conditional = l * level.sigma().powi(2) / marginal;
        let truth = (step.posterior.variance + step.posterior.of_x0.powi(2) * conditional).ln();
        let loss = |fraction: f64| {
            let output = Tensor::cat(&[&mean, &mean.full_like(fraction)], 1);
            objective.losses(&problem, &output).unwrap().mean(Kind::Double).double_value(&[])
        };
        let (low, high) = (step.model.log(-1.0), step.model.log(1.0));
        let best = 2.0 * (truth - low) / (high - low) - 1.0;
        assert!(loss(best) < loss(best - 0.9) && loss(best) < loss(best + 0.9), "{best}");
        // The value there is the entropy of the true law.
        let entropy = 0.5 * (truth + (std::f64::consts::TAU * std::f64::consts::E).ln());
        assert!(
            (loss(best) - entropy).abs() < 4.0 * (0.5 / (16.0 * n as f64)).sqrt(),
            "{} {entropy}",
            loss(best)
        );
    }

    #[test]
    fn parts_that_do_not_belong_together_are_named() {
        let text = |config: ObjectiveConfig| Objective::new(config).unwrap_err().to_string();
        let base = || simple(PredictionKind::Epsilon);
        let hybrid = LossConfig::Hybrid { lambda: 1e-3 };
        assert!(text(ObjectiveConfig { loss: hybrid, ..base() }).contains("learned-range"));
        let learned = ObjectiveConfig { variance: Variance::LearnedRange, ..base() };
        assert!(text(learned).contains("leaves the learned variance untrained"));
        let log_normal = TimesConfig::LogNormal { mean: -1.2, std: 1.2 };
        assert!(text(ObjectiveConfig { times: log_normal, ..base() }).contains("prediction = \"edm\""));
        assert!(text(ObjectiveConfig { loss: LossConfig::Vlb {}, ..edm() }).contains("no step of the bound"));
        assert!(
            text(ObjectiveConfig { loss: LossConfig::Edm { sigma_data: 0.4 }, ..edm() })
                .contains("diffusion.sigma_data (0.5)")
        );
        let none = TimesConfig::Importance { history: 0, uniform_share: 0.1 };
        assert_eq!(
            text(ObjectiveConfig { times: none, ..base() }),
            "train.times.history must be at least 1, got 0"
        );
        assert!(
            text(ObjectiveConfig { loss: LossConfig::MinSnr { gamma: -1.0 }, ..base() })
                .contains("gamma must be positive")
        );
    }
}
