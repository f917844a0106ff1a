//! Likelihoods of images.

use super::values::numbers;
use super::{LikelihoodProgress, Likelihoods, Method};
use crate::EvalError;
use crate::measurement::{ClassConditional, TrainedNetwork};
use ddpm_core::bound_steps;
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_data::ImageSet;
use ddpm_nets::bound;
use ddpm_nets::checkpoint::Checkpoint;
use ddpm_nets::pixels::from_u8;
use ddpm_nets::{Threshold, normal_rows};
use ddpm_sample::SampleError;
use ddpm_sample::likelihood::{Trace, log_density, random_signs};
use std::ops::ControlFlow;
use tch::{Device, Kind, Tensor};
use torch_ext::dist::Workers;

/// Images whose likelihood is found.
#[derive(Clone, Copy, Debug)]
pub struct ImagesToScore<'a> {
    /// The set.
    pub images: &'a ImageSet,
    /// Where they stand in it.
    pub indices: &'a [usize],
    /// Images at once.
    pub batch_size: usize,
    /// Seed of the noise, of the dequantization and of the probes.
    pub seed: u64,
    /// Where the network is.
    pub device: Device,
}

/// Negative log likelihoods of images, in nats of their grey levels.
///
/// The ODE's density is that of the network as it is; the bound is that of the sampler, with its clipping of the predicted x_0 and its variance,
/// and is evaluated at all training levels.
///
/// Several processes share the batches, and all get every value.
///
/// Fails for a class-conditional network on images without labels.
pub fn likelihood_of_images(
    checkpoint: &Checkpoint,
    of: &ImagesToScore<'_>,
    method: &Method,
    workers: &Workers,
    progress: &mut LikelihoodProgress<'_>,
) -> Result<Likelihoods, EvalError> {
    let batch = of.batch_size.max(1);
    let part = workers.part(of.indices.len().div_ceil(batch));
    let end = (part.end * batch).min(of.indices.len());
    let own = ImagesToScore { indices: &of.indices[(part.start * batch).min(end)..end], ..*of };
    Likelihoods::gathered(workers, of_part(checkpoint, &own, method, progress))
}

/// The likelihoods of the images of one process.
fn of_part(
    checkpoint: &Checkpoint,
    of: &ImagesToScore<'_>,
    method: &Method,
    progress: &mut LikelihoodProgress<'_>,
) -> Result<Likelihoods, EvalError> {
    if checkpoint.network.config().num_class_embeds.is_some() && of.images.labels().is_none() {
        return Err(EvalError::mismatch("images of a class-conditional model", "labels", "none"));
    }
    let mut all = Likelihoods::default();
    for indices in of.indices.chunks(of.batch_size.max(1)) {
        let labels = of.images.gather_labels(indices);
        let labels =
            labels.map(|labels| torch_ext::fence(|| Tensor::from_slice(&labels).to_device(of.device)));
        let labels = labels.transpose()?;
        let done = all.count() as f64;
        let share = |part: f64| (done + part * indices.len() as f64) / of.indices.len() as f64;
        let network = TrainedNetwork::from(checkpoint);
        let denoiser = network.with_labels(labels.as_ref());
        match method {
            Method::Ode { tolerance, probes } => {
                let (z, signs) = (of.dequantized(indices)?, of.probes(indices, probes.unwrap_or(0))?);
                let trace = if probes.is_some() { Trace::Probes(&signs) } else { Trace::Exact };
                let noising = checkpoint.scheduler.noising();
                let mut stopped = None;
                let found =
                    log_density(
                        denoiser.as_ref(),
                        noising,
                        &z,
                        trace,
                        tolerance,
                        &mut |part| match progress(share(part)) {
                            Ok(()) => ControlFlow::Continue(()),
                            Err(error) => {
                                stopped = Some(error);
                                ControlFlow::Break(())
                            }
                        },
                    );
                match (found, stopped) {
                    (Err(SampleError::Interrupted { .. }), Some(error)) => return Err(error),
                    (found, _) => all.add_densities(&found?.nats, of.cell())?,
                }
            }
            Method::Bound => {
                let schedule = checkpoint.scheduler.schedule();
                let clip = match checkpoint.scheduler.threshold() {
                    Threshold::None => None,
                    Threshold::Clip { range } => Some(range),
                    Threshold::Dynamic { .. } => {
                        let got = "dynamic thresholding";
                        return Err(EvalError::mismatch(
                            "predicted x_0 of a bound",
                            "clipped or as it is",
                            got,
                        ));
                    }
                };
                let steps = bound_steps(schedule, checkpoint.scheduler.variance(), None)?;
                let levels = schedule.steps() as f64;
                let mut noise = |t: usize| {
                    progress(share(t as f64 / levels))?;
                    of.noise(indices, t)
                };
                let grey_levels = of.images.grey_levels();
                let x0 = of.clean(indices)?;
                let found = bound::evaluate::<EvalError>(
                    denoiser.as_ref(),
                    schedule,
                    &steps,
                    &x0,
                    grey_levels,
                    clip,
                    &mut noise,
                )?;
                let (dim, last) = (of.dimension() as f64, found.steps.size()[1]);
                let (between, decoder) = torch_ext::fence(|| {
                    let between = found.steps.narrow(1, 1, last - 1);
                    (
                        between.sum_dim_intlist([1i64].as_slice(), false, Kind::Double),
                        found.steps.select(1, 0),
                    )
                })?;
                let parts = [&found.prior, &between, &decoder].map(numbers);
                let [prior, between, decoder] = parts;
                let (prior, between, decoder) = (prior?, between?, decoder?);
                all.add_bounds(
                    (0..prior.len()).map(|i| [prior[i], between[i], decoder[i]].map(|nats| nats * dim)),
                );
            }
        }
        progress(share(1.0))?;
    }
    Ok(all)
}

impl ImagesToScore<'_> {
    fn dimension(&self) -> usize {
        self.images.shape().dimension()
    }

    fn shape(&self) -> [i64; 3] {
        let shape = self.images.shape();
        [shape.channels, shape.height, shape.width].map(|side| side as i64)
    }

    fn size(&self, indices: &[usize]) -> [i64; 4] {
        let [channels, height, width] = self.shape();
        [indices.len() as i64, channels, height, width]
    }

    fn streams(indices: &[usize]) -> impl Iterator<Item = u64> {
        indices.iter().map(|&index| index as u64)
    }

    /// Clean images in [-1, 1].
    fn clean(&self, indices: &[usize]) -> Result<Tensor, EvalError> {
        let bytes = self.images.gather(indices, None);
        Ok(torch_ext::fence(|| {
            from_u8(&Tensor::from_slice(&bytes).reshape(self.size(indices)).to_device(self.device))
        })?)
    }

    /// Images with the uniform noise of their cell: 2 (k + u)/K - 1 for grey level k of K.
    fn dequantized(&self, indices: &[usize]) -> Result<Tensor, EvalError> {
        let source = NoiseSource::new(self.seed, Purpose::Dequantization);
        let levels = f32::from(self.images.grey_levels());
        let mut values = Vec::with_capacity(indices.len() * self.dimension());
        let mut noise = vec![0f32; self.dimension()];
        for &index in indices {
            source.fill_uniform(index as u64, 0, &mut noise);
            let grey = self.images.gather(&[index], None);
            values.extend(grey.iter().zip(&noise).map(|(&byte, u)| {
                // Levels are stored spread over the bytes.
                let level = (f32::from(byte) * (levels - 1.0) / 255.0).round();
                2.0 * (level + u) / levels - 1.0
            }));
        }
        Ok(torch_ext::fence(|| {
            Tensor::from_slice(&values).reshape(self.size(indices)).to_device(self.device)
        })?)
    }

    /// What the density over a cell of width 2/K adds to minus its logarithm.
    fn cell(&self) -> f64 {
        self.dimension() as f64 * (f64::from(self.images.grey_levels()) / 2.0).ln()
    }

    fn probes(&self, indices: &[usize], count: u64) -> Result<Vec<Tensor>, EvalError> {
        let of = |probe| random_signs(self.seed, Self::streams(indices), probe, &self.shape(), self.device);
        Ok((0..count).map(of).collect::<Result<_, _>>()?)
    }

    fn noise(&self, indices: &[usize], draw: usize) -> Result<Tensor, EvalError> {
        let source = NoiseSource::new(self.seed, Purpose::Evaluation);
        Ok(normal_rows(&source, Self::streams(indices), draw as u64, &self.shape(), self.device)?)
    }
}
