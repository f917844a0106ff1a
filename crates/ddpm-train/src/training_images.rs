//! Training images: one byte a value, converted to model space batch by batch.

use crate::TrainError;
use ddpm_data::stream::{ImageSource, Prefetch};
use ddpm_data::{Batch, ImageSet, ImageShape, Shard, ShuffledOrder};
use ddpm_nets::pixels::from_u8;
use ddpm_nets::unet::SampleSize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tch::{Device, Tensor};
use torch_ext::transfer::upload;

/// The training images: all of them on the device, or read from the disk ahead of the steps. Both give the same batches.
#[derive(Debug)]
pub struct TrainingImages {
    place: Place,
    order: ShuffledOrder,
    device: Device,
    shape: ImageShape,
    classes: Option<usize>,
    grey_levels: u16,
}

#[derive(Debug)]
enum Place {
    Device(DeviceImages),
    /// The reader, and the seconds that batches have waited for it.
    Disk(Mutex<(Prefetch, f64)>),
}

/// A batch, or a part of one, on the device.
#[derive(Debug)]
pub struct ImageBatch {
    /// Images, f32 [n, c, h, w] in [-1, 1].
    pub x0: Tensor,
    /// Their classes, i64 `[n]`, if the set has any.
    pub labels: Option<Tensor>,
    /// Global sample index of the first image.
    pub first_sample: u64,
}

impl TrainingImages {
    /// Copies a set to the device; `seed` fixes the order.
    pub fn on_device(images: &ImageSet, seed: u64, device: Device) -> Result<Self, TrainError> {
        Ok(TrainingImages {
            order: ShuffledOrder::new(seed, images.len())?,
            shape: images.shape(),
            classes: images.labels().map(|_| images.class_names().len()),
            grey_levels: images.grey_levels(),
            place: Place::Device(DeviceImages::new(images, device)?),
            device,
        })
    }

    /// Reads images from a source as they are needed, by threads of its own, ahead of the steps; `seed` fixes the order.
    pub fn from_disk(source: Arc<dyn ImageSource>, seed: u64, device: Device) -> Result<Self, TrainError> {
        let order = ShuffledOrder::new(seed, source.len())?;
        Ok(TrainingImages {
            order,
            shape: source.shape(),
            classes: source.labels().map(|_| source.class_names().len()),
            // Pictures on disk have one byte a value.
            grey_levels: 256,
            place: Place::Disk(Mutex::new((Prefetch::new(source, order)?, 0.0))),
            device,
        })
    }

    /// The shape of every image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Checks that a network takes the images.
    pub(crate) fn check_shape(&self, channels: i64, size: SampleSize) -> Result<(), TrainError> {
        let [height, width] = size.height_width();
        let ImageShape { channels: c, height: h, width: w } = self.shape;
        if [c as i64, h as i64, w as i64] == [channels, height, width] {
            return Ok(());
        }
        Err(TrainError::ImageShape {
            expected: format!("{channels} x {height} x {width}"),
            got: format!("{c} x {h} x {w}"),
        })
    }

    /// Number of classes, if the images have any.
    pub fn classes(&self) -> Option<usize> {
        self.classes
    }

    /// Distinct grey levels of the source.
    pub fn grey_levels(&self) -> u16 {
        self.grey_levels
    }

    /// A process's images of a step; with `flips` some are mirrored, as the order states.
    pub fn batch(&self, step: u64, shard: &Shard, flips: bool) -> Result<ImageBatch, TrainError> {
        match &self.place {
            Place::Device(images) => {
                let batch = self.order.batch(step, shard);
                Ok(torch_ext::fence(|| ImageBatch {
                    x0: images.gather(&batch, flips),
                    labels: images.gather_labels(&batch),
                    first_sample: batch.first_sample,
                })?)
            }
            Place::Disk(reader) => {
                let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
                let begun = Instant::now();
                let block = reader.0.block(step, shard)?;
                reader.1 += begun.elapsed().as_secs_f64();
                let size = [shard.local_batch(), self.shape.channels, self.shape.height, self.shape.width];
                Ok(torch_ext::fence(|| ImageBatch {
                    x0: scaled(
                        upload(
                            Tensor::from_slice(&block.pixels).reshape(size.map(|n| n as i64)),
                            self.device,
                        ),
                        flips.then_some(&block.batch.flips),
                    ),
                    labels: block.labels.map(|labels| upload(Tensor::from_slice(&labels), self.device)),
                    first_sample: block.batch.first_sample,
                })?)
            }
        }
    }

    /// Seconds that batches so far have waited for the disk.
    pub fn waited_seconds(&self) -> f64 {
        match &self.place {
            Place::Device(_) => 0.0,
            Place::Disk(reader) => reader.lock().unwrap_or_else(PoisonError::into_inner).1,
        }
    }
}

/// Bytes [n, c, h, w] to model space, mirrored left to right where `flips` is true.
fn scaled(pixels: Tensor, flips: Option<&Vec<bool>>) -> Tensor {
    let pixels = match flips {
        Some(flips) => {
            let mask = upload(Tensor::from_slice(flips), pixels.device()).reshape([-1, 1, 1, 1]);
            pixels.flip([3]).where_self(&mask, &pixels)
        }
        None => pixels,
    };
    from_u8(&pixels)
}

/// A set of images held as bytes on a device; batches are gathered, mirrored and scaled to [-1, 1] there.
#[derive(Debug)]
pub struct DeviceImages {
    pixels: Tensor,
    labels: Option<Tensor>,
}

impl DeviceImages {
    /// Copies a set to the device (CIFAR-10: 154 MB).
    pub fn new(images: &ImageSet, device: Device) -> Result<Self, TrainError> {
        let shape = images.shape();
        let size = [images.len() as i64, shape.channels as i64, shape.height as i64, shape.width as i64];
        Ok(torch_ext::fence(|| DeviceImages {
            pixels: Tensor::from_slice(images.pixels()).reshape(size).to_device(device),
            labels: images.labels().map(|labels| Tensor::from_slice(labels).to_device(device)),
        })?)
    }

    /// The images of a batch as f32 [n, c, h, w] in [-1, 1]; with `flips` some are mirrored, as the batch states.
    pub fn gather(&self, batch: &Batch, flips: bool) -> Tensor {
        let device = self.pixels.device();
        let indices: Vec<i64> = batch.indices.iter().map(|&i| i as i64).collect();
        let pixels = self.pixels.index_select(0, &upload(Tensor::from_slice(&indices), device));
        scaled(pixels, flips.then_some(&batch.flips))
    }

    /// The labels of a batch, i64 `[n]`, if the set has any.
    pub fn gather_labels(&self, batch: &Batch) -> Option<Tensor> {
        let labels = self.labels.as_ref()?;
        let indices: Vec<i64> = batch.indices.iter().map(|&i| i as i64).collect();
        Some(labels.index_select(0, &upload(Tensor::from_slice(&indices), labels.device())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_numbers_from_minus_one_to_one_and_flips_mirror() {
        let shape = ImageShape { channels: 1, height: 1, width: 3 };
        let images = ImageSet::new(shape, vec![0, 51, 255, 1, 2, 3]).unwrap();
        let device = DeviceImages::new(&images, Device::Cpu).unwrap();
        let batch = Batch { first_sample: 0, indices: vec![0, 0], flips: vec![false, true] };
        let x = device.gather(&batch, true);
        assert_eq!(x.size(), [2, 1, 1, 3]);
        let values: Vec<f32> = x.reshape([-1]).try_into().unwrap();
        assert_eq!(values, [-1.0, -0.6, 1.0, 1.0, -0.6, -1.0]);
        let plain: Vec<f32> = device.gather(&batch, false).reshape([-1]).try_into().unwrap();
        assert_eq!(plain, [-1.0, -0.6, 1.0, -1.0, -0.6, 1.0]);
    }
}
