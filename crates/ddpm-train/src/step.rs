//! One optimizer step: loss, gradients, clip, Adam, averages.
//!
//! A step does not wait for the device. Its loss and gradient norm are read while the device computes the next step; a step in which one of them is
//! not finite changes no weight, so that it can be computed again to tell where.

use crate::ema::Averages;
use crate::nonfinite::{self, NonFiniteStep, WorstSample};
use crate::optimizer::{Adam, clip_global_norm};
use crate::train_config::TrainConfig;
use crate::{TrainError, Trainable};
use ddpm_data::Shard;
use tch::{Kind, Tensor};
use torch_ext::dist::{DataParallel, Workers};
use torch_ext::transfer::Download;
use torch_ext::{TorchError, foreach};

/// The loss and the gradient norm of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepOutcome {
    /// Steps done, this one included.
    pub step: u64,
    /// The loss, averaged over the batch.
    pub loss: f64,
    /// Global norm of the gradient before clipping.
    pub gradient_norm: f64,
}

/// A step whose loss and gradient norm are on their way from the device.
#[derive(Debug)]
struct Pending {
    step: u64,
    figures: Download,
}

/// A model, its optimizer and its averages.
#[derive(Debug)]
pub(crate) struct Stepper<'a, M> {
    config: &'a TrainConfig,
    model: M,
    adam: Adam,
    averages: Averages,
    /// The processes that share each batch.
    workers: Workers,
    /// The averaging of their gradients.
    data_parallel: DataParallel,
    /// Steps done, skipped ones included.
    step: u64,
    /// Steps skipped because of a non-finite loss or gradient.
    skipped: u64,
    pending: Option<Pending>,
}

impl<'a, M: Trainable> Stepper<'a, M> {
    /// A model whose state is that after `step` steps, `skipped` of them skipped.
    pub(crate) fn new(
        config: &'a TrainConfig,
        (model, adam, averages): (M, Adam, Averages),
        workers: &Workers,
        (step, skipped): (u64, u64),
    ) -> Result<Self, TrainError> {
        let data_parallel = DataParallel::new(workers, model.parameters().tensors())?;
        let workers = workers.clone();
        Ok(Stepper { config, model, adam, averages, workers, data_parallel, step, skipped, pending: None })
    }

    /// One step. Returns the outcome of the step before it, unless that was returned already; with `train.skip_nonfinite`, where the weights have to
    /// wait for the outcome, that of this step, or none where it was skipped: weights, moments and averages are then as before.
    pub(crate) fn advance(&mut self) -> Result<Option<StepOutcome>, TrainError> {
        let total = self.compute_gradients(self.step)?;
        // They arrive while the device computes these gradients. The weights must not move before it is known that they are finite.
        let before = self.settle()?;
        let grads = self.gradients()?;
        let norm = clip_global_norm(&grads, self.config.gradient_clip)?;
        let figures = torch_ext::fence(|| Tensor::stack(&[total, norm.to_kind(Kind::Double)], 0))?;
        let this = Pending { step: self.step, figures: Download::begin(&figures)? };
        let outcome = if self.config.skip_nonfinite == 0 {
            let skip = torch_ext::fence(|| figures.isfinite().all().logical_not().to_kind(Kind::Float))?;
            self.update(&grads, Some(&skip))?;
            self.pending = Some(this);
            before
        } else {
            self.update_or_skip(&grads, this)?
        };
        self.model.stepped(&self.workers)?;
        self.step += 1;
        Ok(outcome)
    }

    /// Waits for the last step; returns its outcome, unless it was returned already.
    pub(crate) fn settle(&mut self) -> Result<Option<StepOutcome>, TrainError> {
        let Some(pending) = self.pending.take() else { return Ok(None) };
        self.read(pending)?.map(Some).map_err(TrainError::NonFinite)
    }

    fn update(&self, grads: &[Tensor], skip: Option<&Tensor>) -> Result<(), TrainError> {
        let weights = self.model.parameters().tensors();
        let updates = self.step - self.skipped;
        self.adam.step(weights, grads, self.config.adam_at(self.step), updates, skip)?;
        Ok(self.averages.update(weights, updates)?)
    }

    fn update_or_skip(&mut self, grads: &[Tensor], this: Pending) -> Result<Option<StepOutcome>, TrainError> {
        match self.read(this)? {
            Ok(outcome) => {
                self.update(grads, None)?;
                Ok(Some(outcome))
            }
            Err(failure) if self.skipped < self.config.skip_nonfinite => {
                self.skipped += 1;
                let allowed = self.config.skip_nonfinite;
                tracing::warn!("{failure}; skipped ({} of at most {allowed})", self.skipped);
                Ok(None)
            }
            Err(failure) => Err(TrainError::NonFinite(failure)),
        }
    }

    /// The figures of a step, or where they stopped being finite.
    fn read(
        &self,
        Pending { step, figures }: Pending,
    ) -> Result<Result<StepOutcome, NonFiniteStep>, TrainError> {
        let figures = figures.wait()?;
        let (loss, gradient_norm) = (figures[0], figures[1]);
        if loss.is_finite() && gradient_norm.is_finite() {
            return Ok(Ok(StepOutcome { step: step + 1, loss, gradient_norm }));
        }
        if step != self.step {
            // A later step has taken the place of its gradients; the weights are still the same.
            let _ = self.compute_gradients(step)?;
        }
        let (what, value) = if loss.is_finite() { ("gradient norm", gradient_norm) } else { ("loss", loss) };
        Ok(Err(self.locate(step, what, value)?))
    }

    /// Gradients of the mean loss of a step's batch, over all processes; returns the loss as a 0-dimensional f64 on the device.
    fn compute_gradients(&self, step: u64) -> Result<Tensor, TrainError> {
        let weights = self.model.parameters().tensors();
        let old: Vec<Tensor> =
            torch_ext::fence(|| weights.iter().map(Tensor::grad).filter(Tensor::defined).collect())?;
        foreach::zero(&old)?;
        let parts = self.parts()?;
        let mut total: Option<Tensor> = None;
        for (k, part) in parts.iter().enumerate() {
            if k + 1 == parts.len() {
                self.data_parallel.prepare()?;
            }
            let loss = self.model.loss(step, part)?;
            // Gradients of the parts add up to that of the mean over this process's images.
            let share = torch_ext::fence(|| {
                let share = loss / self.config.accumulate as f64;
                share.backward();
                share.detach().to_kind(Kind::Double)
            })
            .map_err(|error| self.during_averaging(error))?;
            total = Some(match total {
                Some(total) => torch_ext::fence(|| total + share)?,
                None => share,
            });
        }
        let total = total.unwrap_or_else(|| Tensor::from(f64::NAN));
        self.workers.all_reduce(&total)?;
        Ok(torch_ext::fence(|| total / self.workers.world() as f64)?)
    }

    /// The model.
    pub(crate) fn model(&self) -> &M {
        &self.model
    }

    /// The optimizer.
    pub(crate) fn adam(&self) -> &Adam {
        &self.adam
    }

    /// The averages of the weights.
    pub(crate) fn averages(&self) -> &Averages {
        &self.averages
    }

    /// The settings.
    pub(crate) fn config(&self) -> &'a TrainConfig {
        self.config
    }

    /// The processes that share each batch.
    pub(crate) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Steps done, skipped ones included.
    pub(crate) fn step(&self) -> u64 {
        self.step
    }

    /// Steps skipped because of a non-finite loss or gradient.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
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
    fn locate(&self, step: u64, what: &'static str, value: f64) -> Result<NonFiniteStep, TrainError> {
        let mut worst: Option<WorstSample> = None;
        for part in self.parts()? {
            let found = self.model.worst_sample(step, &part)?;
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
        Ok(NonFiniteStep { what, value, step, place: nonfinite::describe_place(&weights, &grads, worst) })
    }
}

/// Whether a message of libtorch is from the exchange between processes: both backends name their source files or the peer.
fn is_of_an_exchange(text: &str) -> bool {
    let text = text.to_lowercase();
    ["gloo", "nccl", "c10d", "peer", "timed out waiting"].iter().any(|word| text.contains(word))
}
