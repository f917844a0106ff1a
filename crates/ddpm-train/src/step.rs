//! One optimizer step: loss, gradients, clip, Adam, averages.

use crate::health::{self, Illness, WorstSample};
use crate::optimizer::clip_global_norm;
use crate::{TrainError, Trainable, Trainer};
use ddpm_data::Shard;
use tch::Tensor;

/// What a step gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepOutcome {
    /// The loss, averaged over the batch.
    pub loss: f64,
    /// Global norm of the gradient before clipping.
    pub gradient_norm: f64,
}

impl<M: Trainable> Trainer<'_, M> {
    /// One step. None where something was not finite and `train.skip_nonfinite` allowed to pass over it: weights, moments and averages are
    /// then as before.
    pub fn advance(&mut self) -> Result<Option<StepOutcome>, TrainError> {
        let outcome = match self.try_step()? {
            Ok(outcome) => Some(outcome),
            Err(illness) if self.skipped < self.config.skip_nonfinite => {
                self.skipped += 1;
                let allowed = self.config.skip_nonfinite;
                tracing::warn!("{illness}; passed over ({} of at most {allowed})", self.skipped);
                None
            }
            Err(illness) => return Err(TrainError::NonFinite(illness)),
        };
        self.model.stepped();
        self.step += 1;
        Ok(outcome)
    }

    fn try_step(&self) -> Result<Result<StepOutcome, Illness>, TrainError> {
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
                return Ok(Err(self.examine("loss", total)?));
            }
        }
        let grads = self.gradients()?;
        let gradient_norm = clip_global_norm(&grads, self.config.gradient_clip)?;
        if !gradient_norm.is_finite() {
            return Ok(Err(self.examine("gradient norm", gradient_norm)?));
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

    /// Finds out where a step broke, whose gradients the weights still hold.
    fn examine(&self, what: &'static str, value: f64) -> Result<Illness, TrainError> {
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
        let weights = health::not_finite(names, parameters.tensors())?;
        let grads = health::not_finite(names, &self.gradients()?)?;
        Ok(Illness { what, value, step: self.step, place: health::place(&weights, &grads, worst) })
    }
}
