//! Images on the training device: one byte a value until the moment a batch is made.

use crate::TrainError;
use ddpm_data::{Batch, ImageSet};
use ddpm_nets::pixels::from_u8;
use tch::{Device, Tensor};

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

    /// Number of images.
    pub fn len(&self) -> usize {
        self.pixels.size()[0] as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Values in one image.
    pub fn image_size(&self) -> usize {
        self.pixels.size()[1..].iter().product::<i64>() as usize
    }

    /// The images of a batch as f32 [n, c, h, w] in [-1, 1], mirrored where the batch says so if `flips`.
    pub fn gather(&self, batch: &Batch, flips: bool) -> Tensor {
        let device = self.pixels.device();
        let indices: Vec<i64> = batch.indices.iter().map(|&i| i as i64).collect();
        let pixels = self.pixels.index_select(0, &Tensor::from_slice(&indices).to_device(device));
        let pixels = if flips {
            let mask = Tensor::from_slice(&batch.flips).to_device(device).reshape([-1, 1, 1, 1]);
            pixels.flip([3]).where_self(&mask, &pixels)
        } else {
            pixels
        };
        from_u8(&pixels)
    }

    /// The labels of a batch, i64 `[n]`, if the set has any.
    pub fn gather_labels(&self, batch: &Batch) -> Option<Tensor> {
        let labels = self.labels.as_ref()?;
        let indices: Vec<i64> = batch.indices.iter().map(|&i| i as i64).collect();
        Some(labels.index_select(0, &Tensor::from_slice(&indices).to_device(labels.device())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ddpm_data::ImageShape;

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
