//! One optimizer step: loss, gradients, clip, Adam, averages.

use crate::ema::Averages;
use crate::nonfinite::{self, NonFiniteStep, WorstSample};
use crate::optimizer::{Adam, clip_global_norm};
use crate::train_config::TrainConfig;
use crate::{TrainError, Trainable};
use ddpm_data::Shard;
use tch::Tensor;
use torch_ext::TorchError;
use torch_ext::dist::{DataParallel, Workers};

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
    /// The processes that share each batch.
    pub(crate) workers: Workers,
    /// The averaging of their gradients.
    pub(crate) data_parallel: DataParallel,
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
        self.model.stepped(&self.workers)?;
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
        let parts = self.parts()?;
        let mut total = 0.0;
        for (k, part) in parts.iter().enumerate() {
            if k + 1 == parts.len() {
                self.data_parallel.prepare()?;
            }
            let loss = self.model.loss(self.step, part)?;
            // Gradients of the parts add up to that of the mean over this process's images.
            total += torch_ext::fence(|| {
                let share = loss / self.config.accumulate as f64;
                share.backward();
                share.double_value(&[])
            })
            .map_err(|error| self.during_averaging(error))?;
            // With others, all parts are computed: each waits for the gradients of all.
            if !total.is_finite() && self.workers.world() == 1 {
                break;
            }
        }
        let [sum] = self.workers.sums([total])?;
        let total = sum / self.workers.world() as f64;
        if !total.is_finite() {
            return Ok(Err(self.locate("loss", total)?));
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

    /// The parts of a batch that this process computes one after the other.
    fn parts(&self) -> Result<Vec<Shard>, TrainError> {
        let (world, count) = (self.workers.world(), self.config.accumulate);
        let images = self.config.batch_size / (world * count);
        Ok(Shard::parts(self.workers.rank(), world, count, images)?)
    }

    /// With several processes, the failure of another one reaches this one as a failure of the backward pass.
    fn during_averaging(&self, error: TorchError) -> TorchError {
        match error {
            TorchError::Operation(text) if self.workers.world() > 1 && is_of_an_exchange(&text) => {
                TorchError::collective(&text)
            }
            error => error,
        }
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
        // Each process knows its own images alone.
        if let Some(found) = worst {
            let values = Tensor::from_slice(&[found.error, found.t]);
            for other in self.workers.all_gather(&values)? {
                let [error, t] = [other.double_value(&[0]), other.double_value(&[1])];
                worst = worst.map(|worst| worst.or(WorstSample { error, t }));
            }
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

/// Whether a message of libtorch is from the exchange between processes: both backends name their source files or the peer.
fn is_of_an_exchange(text: &str) -> bool {
    let text = text.to_lowercase();
    ["gloo", "nccl", "c10d", "peer", "timed out waiting"].iter().any(|word| text.contains(word))
}
