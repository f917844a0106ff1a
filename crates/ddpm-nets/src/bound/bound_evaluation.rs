//! The bound of a trained model on images: L_T, and the terms of all training levels.

use super::bound_terms::{Answer, terms};
use crate::{Denoiser, NetsError, noised};
use ddpm_core::decomposition::prior_divergence;
use ddpm_core::{BoundStep, Level, Schedule};
use tch::{Device, Kind, Tensor};
use torch_ext::TorchError;

/// The bound of a batch, image by image, in nats a component.
#[derive(Debug)]
pub struct Bound {
    /// L_T `[n]`, f64.
    pub prior: Tensor,
    /// L_0 (column 0) and L_{t-1} (column t), [n, T], f64.
    pub steps: Tensor,
}

impl Bound {
    /// The whole bound of every image in bits a dimension, `[n]` f64.
    pub fn bits_per_dim(&self) -> Tensor {
        (&self.prior + self.steps.sum_dim_intlist([1i64].as_slice(), false, Kind::Double))
            / std::f64::consts::LN_2
    }
}

/// Evaluates the bound of images x_0 [n, ...] at every training level: T evaluations of the denoiser.
///
/// `steps` are [`ddpm_core::bound_steps`] of the schedule. `noise` gives standard normal noise of x_0's shape for a timestep.
/// `clip` limits the predicted x_0, as samplers do (Ho et al. report their bound with it). An error of `noise`, such as a request to stop, ends
/// the evaluation.
pub fn evaluate<E: From<NetsError> + From<TorchError>>(
    denoiser: &dyn Denoiser,
    schedule: &Schedule,
    steps: &[BoundStep],
    x0: &Tensor,
    grey_levels: u16,
    clip: Option<f64>,
    noise: &mut dyn FnMut(usize) -> Result<Tensor, E>,
) -> Result<Bound, E> {
    if steps.len() != schedule.steps() {
        let expected = format!("{}, one a level", schedule.steps());
        return Err(NetsError::input("steps of the bound", expected, steps.len()).into());
    }
    let rows = x0.size().first().copied().unwrap_or(0) as usize;
    let mut columns = Vec::with_capacity(steps.len());
    for (t, (level, step)) in schedule.levels().zip(steps).enumerate() {
        let x_t = noised(x0, &torch_ext::fence(|| noise(t))??, &[level])?;
        let prediction = denoiser.predict(&x_t, &level)?;
        let predicted = prediction.x0(&x_t, &level)?;
        columns.push(torch_ext::fence(|| -> Result<Tensor, NetsError> {
            let _guard = tch::no_grad_guard();
            let predicted = match clip {
                Some(range) => predicted.clamp(-range, range),
                None => predicted,
            };
            let answer = Answer { x0: &predicted, variance_output: prediction.variance_output.as_ref() };
            Ok(terms(&vec![*step; rows], x0, &answer, grey_levels)?
                .to_kind(Kind::Double)
                .to_device(Device::Cpu))
        })??);
    }
    let steps = torch_ext::fence(|| Tensor::stack(&columns, 1))?;
    Ok(Bound { prior: prior(schedule, x0)?, steps })
}

/// L_T of every image x_0 [n, ...], `[n]` f64 in nats a component.
pub fn prior(schedule: &Schedule, x0: &Tensor) -> Result<Tensor, NetsError> {
    let moments: Vec<f64> = torch_ext::fence(|| {
        let flat = x0.to_kind(Kind::Double).reshape([x0.size()[0], -1]);
        Vec::try_from(
            flat.square().sum_dim_intlist([1i64].as_slice(), false, Kind::Double).to_device(Device::Cpu),
        )
    })?
    .map_err(torch_ext::TorchError::from)?;
    let dim = x0.numel() / moments.len().max(1);
    let last: Option<Level> = schedule.levels().next_back();
    let values: Vec<f64> = moments
        .into_iter()
        .map(|moment| last.map_or(0.0, |level| prior_divergence(moment, dim, &level) / dim as f64))
        .collect();
    Ok(torch_ext::fence(|| Tensor::from_slice(&values))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ddpm_core::TimeIndex;

    #[test]
    fn the_prior_term_is_the_divergence_of_two_gaussians() {
        let schedule = Schedule::linear_between(1e-3, 0.2, 10).unwrap();
        let level = schedule.level(TimeIndex(9));
        let x0 = Tensor::from_slice(&[0.5f64, -1.0]).reshape([1, 2]);
        let kl = |mean: f64, var: f64| 0.5 * (var + mean * mean - 1.0 - var.ln());
        let var = level.sigma().powi(2);
        let expected = 0.5 * (kl(0.5 * level.alpha(), var) + kl(-level.alpha(), var));
        assert!((prior(&schedule, &x0).unwrap().double_value(&[0]) - expected).abs() < 1e-12);
    }
}
