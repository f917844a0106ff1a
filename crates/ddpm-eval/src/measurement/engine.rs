//! One pass over the images: network, empirical denoiser and reference network on the same noised images.
//!
//! The error benchmark caches what follows from this measurement under `RESULTS_VERSION` in `ddpm-benchmark/src/cell.rs`. A change here, in the
//! noise, in the choice of images or levels, or in the decomposition that changes a result must raise that version; its test `golden_cells` has
//! one measurement and fails where this is forgotten.

use super::noised_images::{ImageBatch, NoisedImages};
use super::split_errors::EmpiricalErrors;
use super::{ClassConditional, EmpiricalDenoiser, ErrorTable, SplitErrors, ThresholdedDenoiser};
use crate::{EvalConfig, EvalError, shared};
use ddpm_core::Level;
use ddpm_core::decomposition::Decoder;
use ddpm_data::{ImageSet, Split};
use ddpm_nets::Threshold;
use rayon::prelude::*;
use std::ops::ControlFlow;
use tch::{Device, Kind, Tensor};
use torch_ext::dist::Workers;

/// What is measured, at which levels, and how finely.
#[derive(Clone, Copy, Debug)]
pub struct Measurement<'a> {
    /// The network.
    pub network: &'a ThresholdedDenoiser<'a>,
    /// The empirical denoiser of the training images.
    pub empirical: Option<&'a EmpiricalDenoiser>,
    /// A better network.
    pub reference: Option<&'a ThresholdedDenoiser<'a>>,
    /// The decoder whose code lengths are measured.
    pub decoder: Option<DecoderAt>,
    /// The levels. All of them are measured, whatever `config.levels` is.
    pub levels: &'a [Level],
    /// Repeats, batch size and seed.
    pub config: &'a EvalConfig,
    /// Where images and networks are.
    pub device: Device,
    /// The processes that share the images.
    pub workers: &'a Workers,
}

/// The decoder of x_0 from the network's prediction at one level.
#[derive(Clone, Copy, Debug)]
pub struct DecoderAt {
    /// The decoder.
    pub decoder: Decoder,
    /// Grey levels K of the data.
    pub grey_levels: u16,
    /// Position of its level among the measured ones.
    pub position: usize,
}

impl Measurement<'_> {
    /// The errors of `count` seeded images of a split (all of them if there are fewer).
    ///
    /// `progress` is called after every batch and level with the number of denoised images so far.
    pub fn of_split(
        &self,
        images: &ImageSet,
        split: Split,
        count: usize,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<SplitErrors, EvalError> {
        let mut denoisers = [Some(self.network), self.reference].into_iter().flatten();
        denoisers.try_for_each(|denoiser| denoiser.threshold.check())?;
        let noised = NoisedImages::new(images, split, count, self.levels, self.config, self.device)?;
        let mut tables = shared::gather(self.workers, self.of_part(&noised, progress))?;
        let code_lengths = tables.pop().unwrap_or_default();
        let squared_norms = tables.pop().unwrap_or_default();
        let tables = tables.into_iter().map(|values| ErrorTable::new(self.levels.len(), values));
        let mut tables = tables.collect::<Result<Vec<_>, _>>()?;
        let (mut network, epsilon) = (tables.remove(0), tables.remove(0));
        let empirical =
            self.empirical.map(|_| EmpiricalErrors::new(&network, tables.remove(0), tables.remove(0)));
        if let Some(empirical) = empirical.as_ref().filter(|_| split == Split::Train) {
            network = empirical.network();
        }
        let reference = self.reference.map(|_| tables.remove(0));
        let indices = noised.indices().to_vec();
        Ok(SplitErrors {
            split,
            indices,
            network,
            epsilon,
            empirical,
            reference,
            squared_norms,
            code_lengths,
        })
    }

    /// What this process measures: the errors [image][level] of each quantity, then |x_0|^2 and the code length of every image.
    fn of_part(
        &self,
        noised: &NoisedImages<'_>,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Vec<Vec<f64>>, EvalError> {
        let mut tables = vec![Vec::new(); self.quantities()];
        let (mut squared_norms, mut code_lengths) = (Vec::new(), Vec::new());
        let mut done = 0;
        for batch in noised.batches(self.workers) {
            let batch = batch?;
            let errors = self.of_batch(noised, &batch, &mut code_lengths, &mut |images| {
                done += images * self.workers.world() as u64;
                progress(done)
            })?;
            let rows = batch.indices.len() * self.levels.len();
            for (table, errors) in tables.iter_mut().zip(errors.chunks_exact(rows)) {
                if let Some(at) = errors.iter().position(|error| !error.is_finite()) {
                    let (image, position) = (batch.indices[at / self.levels.len()], at % self.levels.len());
                    let log_snr = self.levels[position].log_snr();
                    return Err(EvalError::NotFinite { log_snr, image, split: noised.split() });
                }
                table.extend_from_slice(errors);
            }
            squared_norms.extend(host(&torch_ext::fence(|| squared_norm(&batch.x0))?)?);
        }
        tables.extend([squared_norms, code_lengths]);
        Ok(tables)
    }

    /// Number of errors that are measured for each image and level, in the order of [`Denoisers::errors`].
    fn quantities(&self) -> usize {
        2 + 2 * usize::from(self.empirical.is_some()) + usize::from(self.reference.is_some())
    }

    /// Errors of a batch, [quantity][image][level]; appends the code length of every image.
    fn of_batch(
        &self,
        noised: &NoisedImages<'_>,
        batch: &ImageBatch<'_>,
        code_lengths: &mut Vec<f64>,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Vec<f64>, EvalError> {
        let denoisers = Denoisers::of(self, batch);
        let (n, repeats) = (batch.indices.len(), self.config.repeats);
        let mut columns = Vec::with_capacity(self.levels.len());
        let mut code = vec![0.0; n];
        for (position, level) in self.levels.iter().enumerate() {
            let mut draws = Vec::with_capacity(repeats);
            for repeat in 0..repeats {
                let (eps, x_t) = noised.noised(batch, position, repeat)?;
                let (errors, x0_hat) = denoisers.errors(&batch.x0, &eps, &x_t, level)?;
                draws.push(errors);
                if let Some(at) = self.decoder.filter(|at| at.position == position) {
                    let nats = at.code_lengths(&batch.x0, &x0_hat)?;
                    code.iter_mut().zip(nats).for_each(|(sum, nats)| *sum += nats / repeats as f64);
                }
                if progress(n as u64).is_break() {
                    return Err(EvalError::Interrupted);
                }
            }
            columns.push(torch_ext::fence(|| Tensor::stack(&draws, 0).mean_dim(0, false, None))?);
        }
        if self.decoder.is_some() {
            code_lengths.append(&mut code);
        }
        // One copy a batch: a copy a level would make the device wait for the noise of each.
        host(&torch_ext::fence(|| Tensor::stack(&columns, -1))?)
    }
}

/// The denoisers of a batch, with its labels.
struct Denoisers<'a> {
    network: (Box<dyn ddpm_nets::Denoiser + 'a>, Threshold),
    empirical: Option<Box<dyn ddpm_nets::Denoiser + 'a>>,
    reference: Option<(Box<dyn ddpm_nets::Denoiser + 'a>, Threshold)>,
}

impl<'a> Denoisers<'a> {
    fn of(measurement: &'a Measurement<'_>, batch: &ImageBatch<'_>) -> Self {
        let labels = batch.labels.as_ref();
        let thresholded = |of: &'a ThresholdedDenoiser<'_>| (of.denoiser.with_labels(labels), of.threshold);
        Denoisers {
            network: thresholded(measurement.network),
            empirical: measurement.empirical.map(|empirical| empirical.with_labels(labels)),
            reference: measurement.reference.map(thresholded),
        }
    }

    /// The squared errors of every image, [quantity][n] f64, and the network's thresholded x_0.
    fn errors(
        &self,
        x0: &Tensor,
        eps: &Tensor,
        x_t: &Tensor,
        level: &Level,
    ) -> Result<(Tensor, Tensor), EvalError> {
        let no_grad = |of: &dyn Fn() -> Result<Tensor, EvalError>| torch_ext::fence(|| tch::no_grad(of))?;
        let prediction = self.network.0.predict(x_t, level)?;
        let x0_hat = no_grad(&|| Ok(self.network.1.apply(prediction.x0(x_t, level)?)))?;
        let eps_hat = no_grad(&|| Ok(prediction.epsilon(x_t, level)?))?;
        let distance = |a: &Tensor, b: &Tensor| torch_ext::fence(|| squared_norm(&(a - b)));
        let dim = (eps.numel() / x0.size()[0].max(1) as usize) as f64;
        let mut errors =
            vec![distance(x0, &x0_hat)?, torch_ext::fence(|| squared_norm(&(eps - eps_hat)) / dim)?];
        if let Some(empirical) = &self.empirical {
            let ideal = empirical.predict(x_t, level)?;
            let ideal = no_grad(&|| Ok(ideal.x0(x_t, level)?))?;
            errors.extend([distance(x0, &ideal)?, distance(&x0_hat, &ideal)?]);
        }
        if let Some((reference, threshold)) = &self.reference {
            let better = reference.predict(x_t, level)?;
            let better = no_grad(&|| Ok(threshold.apply(better.x0(x_t, level)?)))?;
            errors.push(distance(x0, &better)?);
        }
        Ok((torch_ext::fence(|| Tensor::stack(&errors, 0))?, x0_hat))
    }
}

impl DecoderAt {
    /// -log P(x_0's grey levels) of each image under the decoder with these means, in nats.
    fn code_lengths(&self, x0: &Tensor, means: &Tensor) -> Result<Vec<f64>, EvalError> {
        let dim = x0.numel() / x0.size()[0].max(1) as usize;
        let (x0, means) = (host(x0)?, host(means)?);
        let top = f64::from(self.grey_levels) - 1.0;
        // The source's own grey level: fewer than 256 are stored as the nearest bytes.
        let bin = |x: f64| 2.0 * (0.5 * (x + 1.0) * top).round() / top - 1.0;
        let length = |(x0, means): (&[f64], &[f64])| -> f64 {
            x0.iter().zip(means).map(|(&x, &mean)| self.decoder.nats(bin(x), mean)).sum()
        };
        Ok(x0.par_chunks_exact(dim.max(1)).zip(means.par_chunks_exact(dim.max(1))).map(length).collect())
    }
}

/// Squared norms over all components, summed in f64: [n, ...] to `[n]`.
fn squared_norm(x: &Tensor) -> Tensor {
    x.to_kind(Kind::Double).square().flatten(1, -1).sum_dim_intlist(1, false, None)
}

/// All numbers of a tensor in f64 on the host.
fn host(x: &Tensor) -> Result<Vec<f64>, EvalError> {
    let flat = torch_ext::fence(|| x.to_device(Device::Cpu).to_kind(Kind::Double).reshape([-1]))?;
    Ok(Vec::<f64>::try_from(flat).map_err(torch_ext::TorchError::from)?)
}
