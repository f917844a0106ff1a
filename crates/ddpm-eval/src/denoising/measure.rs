//! Running a model over noised images.

use super::levels::{spread, sum_weights};
use super::{LevelErrors, Memorizer, Model, NoisedBatch, NoisedImages};
use crate::{EvalConfig, EvalError};
use ddpm_core::Level;
use ddpm_data::{Dataset, ImageSet, Split};
use ddpm_report::results::DenoisingError;
use ddpm_sample::Threshold;
use std::ops::ControlFlow;
use tch::{Device, Kind, Tensor};

/// How far a measurement is, in denoised images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Denoised so far.
    pub done: u64,
    /// To be denoised in all.
    pub total: u64,
}

/// How a model is measured.
#[derive(Clone, Copy, Debug)]
pub struct Measurement<'a> {
    /// Images, repeats, batch size and seed. `levels` of the configuration is not used here: every level below is measured.
    pub config: &'a EvalConfig,
    /// What the sampler does to the predicted x_0.
    pub threshold: Threshold,
    /// Where images and model are.
    pub device: Device,
}

impl Measurement<'_> {
    /// The errors of `count` seeded images (all of them if there are fewer) at every one of `levels`.
    ///
    /// `progress` is called after every batch and level with the denoised images so far.
    pub fn run(
        &self,
        model: &dyn Model,
        images: &ImageSet,
        split: Split,
        count: usize,
        levels: &[Level],
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<LevelErrors, EvalError> {
        self.threshold.check()?;
        let noised = NoisedImages::new(images, split, count, levels, self.config, self.device)?;
        let (mut x0, mut epsilon) = (Vec::new(), Vec::new());
        let mut done = 0;
        for batch in noised.batches() {
            let batch = batch?;
            let (of_x0, of_epsilon) = self.batch(model, &batch, levels, &mut |images| {
                done += images;
                progress(done)
            })?;
            if let Some(at) = of_x0.iter().zip(&of_epsilon).position(|(a, b)| !(a + b).is_finite()) {
                let (image, position) = (batch.indices()[at / levels.len()], at % levels.len());
                return Err(EvalError::NotFinite { log_snr: levels[position].log_snr(), image, split });
            }
            x0.extend(of_x0);
            epsilon.extend(of_epsilon);
        }
        Ok(LevelErrors {
            split,
            dim: images.shape().dimension(),
            levels: levels.to_vec(),
            indices: noised.indices().to_vec(),
            x0,
            epsilon,
        })
    }

    /// Errors of a batch, both [image][level].
    fn batch(
        &self,
        model: &dyn Model,
        batch: &NoisedBatch<'_>,
        levels: &[Level],
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(Vec<f64>, Vec<f64>), EvalError> {
        let denoiser = model.denoiser(batch.labels());
        let n = batch.indices().len();
        let (mut x0, mut epsilon) = (Vec::new(), Vec::new());
        for (position, level) in levels.iter().enumerate() {
            let (mut of_x0, mut of_epsilon) = (Vec::new(), Vec::new());
            for repeat in 0..self.config.repeats {
                let (eps, x_t) = batch.noised(position, repeat)?;
                let prediction = denoiser.predict(&x_t, level)?;
                let (x0_hat, eps_hat) = torch_ext::fence(|| {
                    tch::no_grad(|| {
                        let x0_hat = self.threshold.apply(prediction.x0(&x_t, level)?);
                        Ok::<_, EvalError>((x0_hat, prediction.epsilon(&x_t, level)?))
                    })
                })??;
                let (a, b) = torch_ext::fence(|| {
                    let dim = (eps.numel() / n) as f64;
                    (squared_norms(&(batch.x0() - x0_hat)), squared_norms(&(eps - eps_hat)) / dim)
                })?;
                of_x0.push(a);
                of_epsilon.push(b);
                if progress(n as u64).is_break() {
                    return Err(EvalError::Interrupted);
                }
            }
            let mean =
                |draws: &[Tensor]| torch_ext::fence(|| Tensor::stack(draws, 0).mean_dim(0, false, None));
            x0.push(mean(&of_x0)?);
            epsilon.push(mean(&of_epsilon)?);
        }
        // One copy a batch: a copy a level would make the device wait for the noise of each.
        let rows = |columns: &[Tensor]| -> Result<Vec<f64>, EvalError> {
            let table = torch_ext::fence(|| Tensor::stack(columns, 1).to_device(Device::Cpu).reshape([-1]))?;
            Ok(Vec::<f64>::try_from(table).map_err(torch_ext::TorchError::from)?)
        };
        Ok((rows(&x0)?, rows(&epsilon)?))
    }
}

/// Squared norms over all components, summed in f64: [n, ...] to `[n]`.
pub(crate) fn squared_norms(x: &Tensor) -> Tensor {
    x.to_kind(Kind::Double).square().flatten(1, -1).sum_dim_intlist(1, false, None)
}

/// Measures a model on both splits at a choice of the levels that its sampler visits ([`spread`]).
///
/// `visited` runs the noisiest first, without data. Where the data set has no held-out split, training images alone are measured.
pub fn denoising_error(
    model: &dyn Model,
    data: &Dataset,
    visited: &[Level],
    measurement: &Measurement<'_>,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<DenoisingError, EvalError> {
    let splits: &[Split] =
        if data.held_out.is_some() { &[Split::HeldOut, Split::Train] } else { &[Split::Train] };
    measure_splits(model, data, splits, visited, measurement, progress)
}

/// Measures what no denoiser can remove on training images, on the same images and the same noise as [`denoising_error`]: the error of the
/// [`Memorizer`].
///
/// `flips` and `by_class` say what the network to compare with was trained on: mirror images too, and told each image's class. The cost
/// grows with the product of measured and training images: two matrix products of that size a level, four with flips.
pub fn training_floor(
    data: &Dataset,
    flips: bool,
    by_class: bool,
    visited: &[Level],
    measurement: &Measurement<'_>,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<DenoisingError, EvalError> {
    let memorizer = Memorizer::new(&data.train, flips, by_class, measurement.device)?;
    measure_splits(&memorizer, data, &[Split::Train], visited, measurement, progress)
}

fn measure_splits(
    model: &dyn Model,
    data: &Dataset,
    splits: &[Split],
    visited: &[Level],
    measurement: &Measurement<'_>,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<DenoisingError, EvalError> {
    let config = measurement.config;
    config.validate()?;
    if visited.is_empty() {
        return Err(EvalError::mismatch("visited levels", "at least 1", 0));
    }
    let positions = spread(visited, config.levels);
    let weights = sum_weights(visited.len(), &positions);
    let levels: Vec<Level> = positions.iter().map(|&position| visited[position]).collect();
    // The same number of images on each split, and on a split that is measured later.
    let limit = if config.max_images == 0 { usize::MAX } else { config.max_images };
    let available = data.held_out.as_ref().unwrap_or(&data.train).len();
    let count = available.min(data.train.len()).min(limit);
    let of_split = (count * levels.len() * config.repeats) as u64;
    let total = of_split * splits.len() as u64;

    let mut result = DenoisingError {
        dim: data.shape().dimension(),
        visited: visited.len(),
        repeats: config.repeats,
        seed: config.seed,
        sums: Vec::new(),
        levels: Vec::new(),
    };
    for (k, &split) in splits.iter().enumerate() {
        let before = k as u64 * of_split;
        let errors = measurement.run(model, data.split(split)?, split, count, &levels, &mut |done| {
            progress(Progress { done: before + done, total })
        })?;
        errors.add_to(&mut result, &weights)?;
    }
    Ok(result)
}
