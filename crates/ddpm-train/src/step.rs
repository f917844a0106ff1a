//! One optimizer step: loss, gradients, clip, Adam, averages.

use crate::ema::Averages;
use crate::nonfinite::{self, NonFiniteStep, WorstSample};
use crate::optimizer::{Adam, clip_global_norm};
use crate::train_config::TrainConfig;
use crate::{TrainError, Trainable};
use ddpm_data::Shard;
use tch::Tensor;

/// The loss and the gradient norm of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepOutcome {
    /// The loss, averaged over the batch.
    pub loss: f64,
    /// Global norm of the gradient before clipping.
    pub gradient_norm: f64,
}

/// A model, its optimizer and its averages.
#[derive(Debug)]
pub(crate) struct Stepper<'a, M> {
    pub(crate) config: &'a TrainConfig,
    pub(crate) model: M,
    pub(crate) adam: Adam,
    pub(crate) averages: Averages,
    /// Steps done, skipped ones included.
    pub(crate) step: u64,
    /// Steps skipped because of a non-finite loss or gradient.
    pub(crate) skipped: u64,
}

impl<M: Trainable> Stepper<'_, M> {
    /// One step. None for a step with a non-finite loss or gradient that `train.skip_nonfinite` allows to skip: weights, moments and averages
    /// are then as before.
    pub(crate) fn advance(&mut self) -> Result<Option<StepOutcome>, TrainError> {
        let outcome = match self.try_step()? {
            Ok(outcome) => Some(outcome),
            Err(failure) if self.skipped < self.config.skip_nonfinite => {
                self.skipped += 1;
                let allowed = self.config.skip_nonfinite;
                tracing::warn!("{failure}; skipped ({} of at most {allowed})", self.skipped);
                None
            }
            Err(failure) => return Err(TrainError::NonFinite(failure)),
        };
        self.model.stepped();
        self.step += 1;
        Ok(outcome)
    }

    fn try_step(&self) -> Result<Result<StepOutcome, NonFiniteStep>, TrainError> {
        let weights = self.model.parameters().tensors();
        torch_ext::fence(|| {
            for weight in weights {
                let mut grad = weight.grad();
                if grad.defined() {
                    let _ = grad.zero_();
                }
            }
        })?;
        let mut total = 0.0;
        for part in self.parts()? {
            let loss = self.model.loss(self.step, &part)?;
            // Gradients of the parts add up to that of the batch's mean.
            total += torch_ext::fence(|| {
                let share = loss / self.config.accumulate as f64;
                share.backward();
                share.double_value(&[])
            })?;
            if !total.is_finite() {
                return Ok(Err(self.locate("loss", total)?));
            }
        }
        let grads = self.gradients()?;
        let gradient_norm = clip_global_norm(&grads, self.config.gradient_clip)?;
        if !gradient_norm.is_finite() {
            return Ok(Err(self.locate("gradient norm", gradient_norm)?));
        }
        let updates = self.step - self.skipped;
        self.adam.step(weights, &grads, self.config.adam_at(self.step), updates)?;
        self.averages.update(weights, updates)?;
        Ok(Ok(StepOutcome { loss: total, gradient_norm }))
    }

    /// The parts of a batch that are computed one after the other.
    fn parts(&self) -> Result<Vec<Shard>, TrainError> {
        let parts = self.config.accumulate;
        let part = |k| Shard::new(k, parts, self.config.batch_size / parts);
        Ok((0..parts).map(part).collect::<Result<_, _>>()?)
    }

    fn gradients(&self) -> Result<Vec<Tensor>, TrainError> {
        Ok(torch_ext::fence(|| self.model.parameters().tensors().iter().map(Tensor::grad).collect())?)
    }

    /// The place of a failure. The weights still hold the gradients of the step.
    fn locate(&self, what: &'static str, value: f64) -> Result<NonFiniteStep, TrainError> {
        let mut worst: Option<WorstSample> = None;
        for part in self.parts()? {
            let found = self.model.worst_sample(self.step, &part)?;
            worst = match (worst, found) {
                (Some(worst), Some(found)) => Some(worst.or(found)),
                (worst, found) => worst.or(found),
            };
        }
        let parameters = self.model.parameters();
        let names = parameters.names();
        let weights = nonfinite::not_finite(names, parameters.tensors())?;
        let grads = nonfinite::not_finite(names, &self.gradients()?)?;
        Ok(NonFiniteStep {
            what,
            value,
            step: self.step,
            place: nonfinite::describe_place(&weights, &grads, worst),
        })
    }
}
