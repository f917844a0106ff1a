//! Images of a data set, noised to given levels, in batches on a device.

use crate::{EvalConfig, EvalError};
use ddpm_core::Level;
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_data::{ImageSet, ShuffledOrder, Split};
use ddpm_nets::pixels::from_u8;
use rayon::prelude::*;
use tch::{Device, Tensor};

/// A seeded choice of images of one split, and their noise at every level.
#[derive(Debug)]
pub struct NoisedImages<'a> {
    images: &'a ImageSet,
    split: Split,
    indices: Vec<usize>,
    levels: &'a [Level],
    source: NoiseSource,
    batch_size: usize,
    device: Device,
}

impl<'a> NoisedImages<'a> {
    /// Chooses `count` images (all of them if there are fewer) without replacement. The choice is seeded, because the files of many data
    /// sets are sorted by class.
    pub fn new(
        images: &'a ImageSet,
        split: Split,
        count: usize,
        levels: &'a [Level],
        config: &EvalConfig,
        device: Device,
    ) -> Result<Self, EvalError> {
        config.validate()?;
        let order = ShuffledOrder::new(config.seed, images.len())?;
        let mut indices: Vec<usize> =
            (0..count.min(images.len()) as u64).map(|sample| order.index_of(sample)).collect();
        // In the order of the file, so that the sums of a complete split do not depend on the seed.
        indices.sort_unstable();
        Ok(NoisedImages {
            images,
            split,
            indices,
            levels,
            source: NoiseSource::new(config.seed, Purpose::Evaluation),
            batch_size: config.batch_size,
            device,
        })
    }

    /// Number of images chosen.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether none were.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Where each chosen image stands in its set.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// The levels.
    pub fn levels(&self) -> &'a [Level] {
        self.levels
    }

    /// The chosen images in batches of at most the configured size.
    pub fn batches(&self) -> impl Iterator<Item = Result<NoisedBatch<'_>, EvalError>> {
        self.indices.chunks(self.batch_size).map(|indices| self.batch(indices))
    }

    fn batch<'b>(&'b self, indices: &'b [usize]) -> Result<NoisedBatch<'b>, EvalError> {
        let shape = self.images.shape();
        let size = [indices.len(), shape.channels, shape.height, shape.width].map(|side| side as i64);
        let pixels = self.images.gather(indices, None);
        let labels = self.images.gather_labels(indices);
        let (x0, labels) = torch_ext::fence(|| {
            let bytes = Tensor::from_slice(&pixels).reshape(size).to_device(self.device);
            let labels = labels.map(|labels| Tensor::from_slice(&labels).to_device(self.device));
            (from_u8(&bytes), labels)
        })?;
        Ok(NoisedBatch { of: self, indices, x0, labels })
    }

    /// The noise of some images at one level, [n, c, h, w] on the device.
    fn noise(&self, indices: &[usize], position: usize, repeat: usize) -> Result<Tensor, EvalError> {
        let shape = self.images.shape();
        let draw = (repeat * self.levels.len() + position) as u64;
        // The splits are independent samples only if their noise is: each has streams of its own.
        let stream = |index: usize| index as u64 | (self.split as u64) << 48;
        let mut values = vec![0f32; indices.len() * shape.dimension()];
        values
            .par_chunks_exact_mut(shape.dimension())
            .zip(indices)
            .for_each(|(row, &index)| self.source.fill_normal(stream(index), draw, row));
        let size = [indices.len(), shape.channels, shape.height, shape.width].map(|side| side as i64);
        Ok(torch_ext::fence(|| Tensor::from_slice(&values).reshape(size).to_device(self.device))?)
    }
}

/// Some images, clean, with their labels and their noise.
#[derive(Debug)]
pub struct NoisedBatch<'a> {
    of: &'a NoisedImages<'a>,
    indices: &'a [usize],
    x0: Tensor,
    labels: Option<Tensor>,
}

impl NoisedBatch<'_> {
    /// Where the images stand in their set.
    pub fn indices(&self) -> &[usize] {
        self.indices
    }

    /// The clean images, f32 [n, c, h, w] in [-1, 1].
    pub fn x0(&self) -> &Tensor {
        &self.x0
    }

    /// Their labels, i64 `[n]`, if the set has any.
    pub fn labels(&self) -> Option<&Tensor> {
        self.labels.as_ref()
    }

    /// The noise eps and the noised images x_t = alpha x_0 + sigma eps at the level at `position`, each [n, c, h, w].
    pub fn noised(&self, position: usize, repeat: usize) -> Result<(Tensor, Tensor), EvalError> {
        let level = self.of.levels[position];
        let eps = self.of.noise(self.indices, position, repeat)?;
        let x_t = torch_ext::fence(|| &self.x0 * level.alpha() + &eps * level.sigma())?;
        Ok((eps, x_t))
    }
}
