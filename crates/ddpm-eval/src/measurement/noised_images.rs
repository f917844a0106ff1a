//! Images of a data set, noised to given levels, in batches on a device.

use crate::{EvalConfig, EvalError};
use ddpm_core::Level;
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_data::{ImageSet, ShuffledOrder, Split};
use ddpm_nets::pixels::from_u8;
use ddpm_nets::{noised, normal_rows};
use tch::{Device, Tensor};
use torch_ext::dist::Workers;

/// A seeded choice of images of one split, and their noise at every level.
#[derive(Debug)]
pub(super) struct NoisedImages<'a> {
    images: &'a ImageSet,
    split: Split,
    indices: Vec<usize>,
    levels: &'a [Level],
    source: NoiseSource,
    batch_size: usize,
    device: Device,
}

/// Some of the images, clean, with their labels.
#[derive(Debug)]
pub(super) struct ImageBatch<'a> {
    /// Where the images stand in their set.
    pub(super) indices: &'a [usize],
    /// The clean images, f32 [n, c, h, w] in [-1, 1].
    pub(super) x0: Tensor,
    /// Their labels, i64 `[n]`, if the set has any.
    pub(super) labels: Option<Tensor>,
}

impl<'a> NoisedImages<'a> {
    /// Chooses `count` images (all of them if there are fewer) without replacement. The choice is seeded, because the files of many data
    /// sets are sorted by class.
    pub(super) fn new(
        images: &'a ImageSet,
        split: Split,
        count: usize,
        levels: &'a [Level],
        config: &EvalConfig,
        device: Device,
    ) -> Result<Self, EvalError> {
        config.validate()?;
        let indices = ShuffledOrder::new(config.seed, images.len())?.choice(count);
        let source = NoiseSource::new(config.seed, Purpose::Evaluation);
        Ok(NoisedImages { images, split, indices, levels, source, batch_size: config.batch_size, device })
    }

    /// Where each chosen image stands in its set.
    pub(super) fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// Which part of the data they are.
    pub(super) fn split(&self) -> Split {
        self.split
    }

    /// This process's part of the chosen images, in batches of at most the configured size.
    pub(super) fn batches(
        &self,
        workers: &Workers,
    ) -> impl Iterator<Item = Result<ImageBatch<'_>, EvalError>> {
        let batches = self.indices.chunks(self.batch_size);
        let part = workers.part(batches.len());
        batches.skip(part.start).take(part.len()).map(|indices| {
            let shape = self.images.shape();
            let size = [indices.len(), shape.channels, shape.height, shape.width].map(|side| side as i64);
            let pixels = self.images.gather(indices, None);
            let labels = self.images.gather_labels(indices);
            let (x0, labels) = torch_ext::fence(|| {
                let bytes = Tensor::from_slice(&pixels).reshape(size).to_device(self.device);
                let labels = labels.map(|labels| Tensor::from_slice(&labels).to_device(self.device));
                (from_u8(&bytes), labels)
            })?;
            Ok(ImageBatch { indices, x0, labels })
        })
    }

    /// The noise eps and the noised images x_t = alpha x_0 + sigma eps of a batch at the level at `position`, each [n, c, h, w].
    pub(super) fn noised(
        &self,
        batch: &ImageBatch<'_>,
        position: usize,
        repeat: usize,
    ) -> Result<(Tensor, Tensor), EvalError> {
        let shape = self.images.shape();
        let size = [shape.channels, shape.height, shape.width].map(|side| side as i64);
        // The splits are independent samples only if their noise is: each has its own streams.
        let streams = batch.indices.iter().map(|&index| index as u64 | (self.split as u64) << 48);
        let draw = (repeat * self.levels.len() + position) as u64;
        let eps = normal_rows(&self.source, streams, draw, &size, self.device)?;
        let x_t = noised(&batch.x0, &eps, &[self.levels[position]])?;
        Ok((eps, x_t))
    }
}
