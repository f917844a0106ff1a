//! Network, empirical measure and reference on the same noised images.

use super::{ErrorTable, LevelPlan, Thresholded};
use crate::denoising::{Model, NoisedBatch, NoisedImages, squared_norms};
use crate::{EvalConfig, EvalError};
use ddpm_core::Level;
use ddpm_core::decomposition::Decoder;
use ddpm_data::{ImageSet, Split};
use ddpm_nets::Denoiser;
use ddpm_sample::Threshold;
use rayon::prelude::*;
use std::ops::ControlFlow;
use tch::{Device, Kind, Tensor};

/// What was measured on the images of one split.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitErrors {
    /// The split.
    pub split: Split,
    /// |x_0 - D|^2 of the network.
    pub network: ErrorTable,
    /// |x_0 - D_emp|^2 of the empirical measure's denoiser.
    pub empirical: ErrorTable,
    /// |D - D_emp|^2.
    pub gap: ErrorTable,
    /// |x_0 - D_ref|^2 of the better network.
    pub reference: Option<ErrorTable>,
    /// |x_0|^2 of each image.
    pub squared_norms: Vec<f64>,
    /// Code length of each image under the decoder, in nats: L_0.
    pub decoder: Vec<f64>,
}

impl SplitErrors {
    /// The images for which `keep` holds.
    pub fn select(&self, keep: impl Fn(usize) -> bool) -> Self {
        let some = |values: &[f64]| {
            values.iter().enumerate().filter(|(image, _)| keep(*image)).map(|(_, value)| *value).collect()
        };
        SplitErrors {
            split: self.split,
            network: self.network.select(&keep),
            empirical: self.empirical.select(&keep),
            gap: self.gap.select(&keep),
            reference: self.reference.as_ref().map(|table| table.select(&keep)),
            squared_norms: some(&self.squared_norms),
            decoder: some(&self.decoder),
        }
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.squared_norms.len()
    }
}

pub(super) struct JointMeasurement<'a> {
    pub(super) network: Thresholded<'a>,
    pub(super) empirical: &'a dyn Model,
    pub(super) reference: Option<Thresholded<'a>>,
    pub(super) decoder: Decoder,
    pub(super) grey_levels: u16,
    pub(super) plan: &'a LevelPlan,
    pub(super) config: &'a EvalConfig,
    pub(super) device: Device,
}

/// The columns of a batch, `[n]` on the device each, one a level.
#[derive(Default)]
struct Columns {
    network: Vec<Tensor>,
    empirical: Vec<Tensor>,
    gap: Vec<Tensor>,
    reference: Vec<Tensor>,
}

impl JointMeasurement<'_> {
    /// `count` seeded images of a split (all if there are fewer) at every measured level; `progress` hears of the denoised images so far.
    pub(super) fn split(
        &self,
        images: &ImageSet,
        split: Split,
        count: usize,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<SplitErrors, EvalError> {
        self.network.threshold.check()?;
        let levels = self.plan.measured_levels();
        let noised = NoisedImages::new(images, split, count, &levels, self.config, self.device)?;
        let [mut network, mut empirical, mut gap, mut reference] = [const { Vec::new() }; 4];
        let (mut norms, mut decoder) = (Vec::new(), Vec::new());
        let mut done = 0;
        for batch in noised.batches() {
            let batch = batch?;
            let (columns, code) = self.batch(&batch, &levels, &mut |images| {
                done += images;
                progress(done)
            })?;
            let of_network = rows(&columns.network)?;
            let of_reference = if self.reference.is_some() { rows(&columns.reference)? } else { Vec::new() };
            let is_broken = |errors: &[f64]| errors.iter().position(|error| !error.is_finite());
            if let Some(at) = is_broken(&of_network).or_else(|| is_broken(&of_reference)) {
                let (image, position) = (batch.indices()[at / levels.len()], at % levels.len());
                return Err(EvalError::NotFinite { log_snr: levels[position].log_snr(), image, split });
            }
            network.extend(of_network);
            empirical.extend(rows(&columns.empirical)?);
            gap.extend(rows(&columns.gap)?);
            reference.extend(of_reference);
            norms.extend(host(&torch_ext::fence(|| squared_norms(batch.x0()))?)?);
            decoder.extend(code);
        }
        let table = |values| ErrorTable::new(levels.len(), values);
        Ok(SplitErrors {
            split,
            network: table(network)?,
            empirical: table(empirical)?,
            gap: table(gap)?,
            reference: self.reference.map(|_| table(reference)).transpose()?,
            squared_norms: norms,
            decoder,
        })
    }

    fn batch(
        &self,
        batch: &NoisedBatch<'_>,
        levels: &[Level],
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(Columns, Vec<f64>), EvalError> {
        let network = self.network.model.denoiser(batch.labels());
        let empirical = self.empirical.denoiser(batch.labels());
        let reference = self.reference.map(|of| (of.model.denoiser(batch.labels()), of.threshold));
        let n = batch.indices().len();
        let lowest = self.plan.lowest();
        let (mut columns, mut code) = (Columns::default(), vec![0.0; n]);
        for (position, level) in levels.iter().enumerate() {
            let mut draws = Columns::default();
            for repeat in 0..self.config.repeats {
                let (_, x_t) = batch.noised(position, repeat)?;
                let predict = |denoiser: &dyn Denoiser, threshold: Threshold| -> Result<Tensor, EvalError> {
                    let prediction = denoiser.predict(&x_t, level)?;
                    torch_ext::fence(|| {
                        tch::no_grad(|| Ok::<_, EvalError>(threshold.apply(prediction.x0(&x_t, level)?)))
                    })?
                };
                let distance = |a: &Tensor, b: &Tensor| torch_ext::fence(|| squared_norms(&(a - b)));
                let of_network = predict(network.as_ref(), self.network.threshold)?;
                let of_empirical = predict(empirical.as_ref(), Threshold::None)?;
                draws.network.push(distance(batch.x0(), &of_network)?);
                draws.empirical.push(distance(batch.x0(), &of_empirical)?);
                draws.gap.push(distance(&of_network, &of_empirical)?);
                if let Some((reference, threshold)) = &reference {
                    draws.reference.push(distance(batch.x0(), &predict(reference.as_ref(), *threshold)?)?);
                }
                if position == lowest {
                    let nats = self.code_lengths(batch.x0(), &of_network)?;
                    code.iter_mut().zip(nats).for_each(|(sum, nats)| *sum += nats);
                }
                if progress(n as u64).is_break() {
                    return Err(EvalError::Interrupted);
                }
            }
            let mean =
                |draws: &[Tensor]| torch_ext::fence(|| Tensor::stack(draws, 0).mean_dim(0, false, None));
            columns.network.push(mean(&draws.network)?);
            columns.empirical.push(mean(&draws.empirical)?);
            columns.gap.push(mean(&draws.gap)?);
            if reference.is_some() {
                columns.reference.push(mean(&draws.reference)?);
            }
        }
        code.iter_mut().for_each(|sum| *sum /= self.config.repeats as f64);
        Ok((columns, code))
    }

    /// -log P(x_0's grey levels) of each image under the decoder with these means, in nats.
    fn code_lengths(&self, x0: &Tensor, means: &Tensor) -> Result<Vec<f64>, EvalError> {
        let n = x0.size()[0] as usize;
        let (x0, means) = (host(x0)?, host(means)?);
        let dim = x0.len() / n.max(1);
        let top = f64::from(self.grey_levels) - 1.0;
        // The source's own grey level: fewer than 256 are stored as the nearest bytes.
        let bin = |x: f64| 2.0 * (0.5 * (x + 1.0) * top).round() / top - 1.0;
        let decoder = self.decoder;
        let length = |(x0, means): (&[f64], &[f64])| -> f64 {
            x0.iter().zip(means).map(|(&x, &mean)| decoder.nats(bin(x), mean)).sum()
        };
        Ok(x0.par_chunks_exact(dim.max(1)).zip(means.par_chunks_exact(dim.max(1))).map(length).collect())
    }
}

/// Columns `[n]` as rows of one host table.
fn rows(columns: &[Tensor]) -> Result<Vec<f64>, EvalError> {
    host(&torch_ext::fence(|| Tensor::stack(columns, 1))?)
}

/// All numbers of a tensor, in f64 on the host.
fn host(x: &Tensor) -> Result<Vec<f64>, EvalError> {
    let flat = torch_ext::fence(|| x.to_device(Device::Cpu).to_kind(Kind::Double).reshape([-1]))?;
    Ok(Vec::<f64>::try_from(flat).map_err(torch_ext::TorchError::from)?)
}
