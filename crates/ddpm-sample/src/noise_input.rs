//! The noise of a sampler: generated from a key, or given.
//!
//! Draw 0 of an image is its starting state, draw k its k-th draw after that, in the order in which the sampler asks.

use crate::{CoupledDraws, SampleError};
use ddpm_core::Level;
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_nets::{normal_rows, tensor_file};
use std::ops::Range;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// The starting state and the noise of a batch.
pub trait Noise {
    /// The state [n, ...] at the noisiest level.
    fn start(&mut self, level: &Level) -> Result<Tensor, SampleError>;

    /// The next standard normal draw [n, ...].
    fn draw(&mut self) -> Result<Tensor, SampleError>;
}

/// Noise for any number of images.
#[derive(Debug)]
pub enum NoiseInput {
    /// Generated: image i gets the same numbers in any batch.
    Keyed {
        /// The user's seed.
        seed: u64,
        /// Shape of one image.
        shape: Vec<i64>,
        /// Data [m, ...] to start from: image i starts at data row i mod m, noised by what it would otherwise start at. None starts at
        /// N(0, I).
        data: Option<Tensor>,
        /// The draws as sums of those of finer steps.
        coupled: Option<CoupledDraws>,
    },
    /// Read or computed elsewhere.
    Given {
        /// The starting state itself, [n, ...]; it is not scaled.
        x_t: Tensor,
        /// The draws in the order of use, [draws, n, ...]; none for a deterministic sampler. Draws that are not used are accepted.
        z: Option<Tensor>,
    },
}

impl NoiseInput {
    /// Generated noise for images of this shape (without the batch dimension).
    pub fn keyed(seed: u64, shape: &[i64]) -> Self {
        NoiseInput::Keyed { seed, shape: shape.to_vec(), data: None, coupled: None }
    }

    /// Generated noise that starts at noised data [m, ...], image i at row i mod m. The noise is that of [`NoiseInput::keyed`] with the same seed,
    /// so that both starts are paired.
    pub fn noised(seed: u64, data: &Tensor) -> Self {
        let shape = data.size().split_off(1);
        NoiseInput::Keyed { seed, shape, data: Some(data.shallow_clone()), coupled: None }
    }

    /// The same, each draw being a sum of draws of finer steps. Given noise has draws of its own and stays as it is.
    pub fn coupled(self, draws: Option<CoupledDraws>) -> Self {
        match self {
            NoiseInput::Keyed { seed, shape, data, .. } => {
                NoiseInput::Keyed { seed, shape, data, coupled: draws }
            }
            given @ NoiseInput::Given { .. } => given,
        }
    }

    /// Given noise: `x_t` [n, ...] is the starting state and `z` [draws, n, ...] the draws.
    pub fn given(x_t: &Tensor, z: Option<&Tensor>) -> Result<Self, SampleError> {
        let shape = x_t.size();
        if shape.len() < 2 {
            return Err(SampleError::noise("x_T", "[n, ...]", format_args!("{shape:?}")));
        }
        if let Some(z) = z
            && z.size().get(1..) != Some(&shape[..])
        {
            let (expected, got) =
                (format!("[draws, n, ...] with [n, ...] = {shape:?}"), format!("{:?}", z.size()));
            return Err(SampleError::noise("z", expected, got));
        }
        for (name, tensor) in [("x_T", Some(x_t)), ("z", z)] {
            let finite = |x: &Tensor| torch_ext::fence(|| x.isfinite().all().int64_value(&[]) == 1);
            if !tensor.map(finite).transpose()?.unwrap_or(true) {
                return Err(SampleError::noise(name, "finite numbers", "NaN or infinity"));
            }
        }
        Ok(NoiseInput::Given { x_t: x_t.to_kind(Kind::Float), z: z.map(|z| z.to_kind(Kind::Float)) })
    }

    /// Reads `x_T` and, where present, `z` from a safetensors file; `shape` is that of one image.
    pub fn read(path: &Path, shape: &[i64]) -> Result<Self, SampleError> {
        let mut tensors = tensor_file::read(path)?;
        let none = format!("none in {}", path.display());
        let missing = || SampleError::noise("x_T", "a tensor of that name", none);
        let x_t = tensors.remove("x_T").ok_or_else(missing)?;
        let input = NoiseInput::given(&x_t, tensors.remove("z").as_ref())?;
        input.check_shape(shape)?;
        Ok(input)
    }

    /// Number of images that the noise suffices for; `None` for any number.
    pub fn images(&self) -> Option<u64> {
        match self {
            NoiseInput::Keyed { .. } => None,
            NoiseInput::Given { x_t, .. } => Some(x_t.size()[0] as u64),
        }
    }

    /// The noise of images `images.start..images.end` on a device.
    pub fn batch(&self, images: Range<u64>, device: Device) -> Result<BatchNoise, SampleError> {
        let input = match self {
            NoiseInput::Keyed { seed, shape, data, coupled } => {
                let rows = |data: &Tensor| {
                    let m = data.size()[0].max(1) as u64;
                    let rows: Vec<i64> = images.clone().map(|image| (image % m) as i64).collect();
                    torch_ext::fence(|| {
                        data.index_select(0, &Tensor::from_slice(&rows).to_device(data.device()))
                    })
                };
                NoiseInput::Keyed {
                    seed: *seed,
                    shape: shape.clone(),
                    data: data.as_ref().map(rows).transpose()?,
                    coupled: coupled.clone(),
                }
            }
            NoiseInput::Given { x_t, z } => {
                let n = x_t.size()[0] as u64;
                if images.end > n || images.is_empty() {
                    let (expected, got) = (format!("noise for images {images:?}"), format!("noise for {n}"));
                    return Err(SampleError::noise("x_T", expected, got));
                }
                let (first, count) = (images.start as i64, (images.end - images.start) as i64);
                NoiseInput::Given {
                    x_t: x_t.narrow(0, first, count),
                    z: z.as_ref().map(|z| z.narrow(1, first, count)),
                }
            }
        };
        Ok(BatchNoise { input, images, device, next: 1 })
    }

    fn check_shape(&self, shape: &[i64]) -> Result<(), SampleError> {
        match self {
            NoiseInput::Given { x_t, .. } if x_t.size()[1..] != *shape => {
                let expected = format!("[n, ...] with images of shape {shape:?}");
                Err(SampleError::noise("x_T", expected, format_args!("{:?}", x_t.size())))
            }
            _ => Ok(()),
        }
    }
}

/// The noise of one batch.
#[derive(Debug)]
pub struct BatchNoise {
    /// The noise of these images alone.
    input: NoiseInput,
    images: Range<u64>,
    device: Device,
    /// Number of the next draw; 0 is the starting state.
    next: u64,
}

impl BatchNoise {
    fn keyed_draw(&self, seed: u64, shape: &[i64], draw: u64) -> Result<Tensor, SampleError> {
        let source = NoiseSource::new(seed, Purpose::Sampling);
        Ok(normal_rows(&source, self.images.clone(), draw, shape, self.device)?)
    }
}

impl Noise for BatchNoise {
    fn start(&mut self, level: &Level) -> Result<Tensor, SampleError> {
        match &self.input {
            NoiseInput::Keyed { seed, shape, data: None, .. } => {
                Ok(self.keyed_draw(*seed, shape, 0)? * level.prior_std())
            }
            NoiseInput::Keyed { seed, shape, data: Some(data), .. } => {
                let eps = self.keyed_draw(*seed, shape, 0)?;
                Ok(eps * level.sigma() + data.to_device(self.device).to_kind(Kind::Float) * level.alpha())
            }
            NoiseInput::Given { x_t, .. } => Ok(x_t.to_device(self.device)),
        }
    }

    fn draw(&mut self) -> Result<Tensor, SampleError> {
        let draw = self.next;
        self.next += 1;
        match &self.input {
            NoiseInput::Keyed { seed, shape, coupled, .. } => {
                let Some(parts) = coupled.as_ref().and_then(|coupled| coupled.parts(draw)) else {
                    return self.keyed_draw(*seed, shape, draw);
                };
                let mut sum: Option<Tensor> = None;
                for &(fine, weight) in parts {
                    let part = self.keyed_draw(*seed, shape, fine)? * weight;
                    sum = Some(match sum {
                        Some(sum) => sum + part,
                        None => part,
                    });
                }
                sum.map_or_else(|| self.keyed_draw(*seed, shape, draw), Ok)
            }
            NoiseInput::Given { z: Some(z), .. } if draw as i64 <= z.size()[0] => {
                Ok(z.get(draw as i64 - 1).to_device(self.device))
            }
            NoiseInput::Given { z, .. } => {
                let given = z.as_ref().map_or(0, |z| z.size()[0]);
                Err(SampleError::noise("z", format_args!("at least {draw} draws"), given))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_keeps_its_noise_in_any_batch() {
        let input = NoiseInput::keyed(3, &[2, 5]);
        let mut all = input.batch(0..7, Device::Cpu).unwrap();
        let mut part = input.batch(4..6, Device::Cpu).unwrap();
        assert!(all.start(&level()).unwrap().narrow(0, 4, 2).equal(&part.start(&level()).unwrap()));
        for _ in 0..3 {
            assert!(all.draw().unwrap().narrow(0, 4, 2).equal(&part.draw().unwrap()));
        }
    }

    #[test]
    fn given_noise_is_checked_and_used_in_order() {
        let f32s = |shape: &[i64]| Tensor::rand(shape, (Kind::Float, Device::Cpu));
        let (x_t, z) = (f32s(&[4, 3]), f32s(&[2, 4, 3]));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("noise.safetensors");
        tensor_file::write(&path, [("x_T", &x_t), ("z", &z)]).unwrap();

        let input = NoiseInput::read(&path, &[3]).unwrap();
        let mut batch = input.batch(1..3, Device::Cpu).unwrap();
        assert!(batch.start(&level()).unwrap().equal(&x_t.narrow(0, 1, 2)));
        assert!(batch.draw().unwrap().equal(&z.get(0).narrow(0, 1, 2)));
        assert!(batch.draw().unwrap().equal(&z.get(1).narrow(0, 1, 2)));
        assert_eq!(batch.draw().unwrap_err().to_string(), "noise z: expected at least 3 draws, got 2");

        let message = |result: Result<NoiseInput, SampleError>| result.unwrap_err().to_string();
        assert!(message(NoiseInput::read(&path, &[5])).contains("images of shape [5], got [4, 3]"));
        assert!(
            message(NoiseInput::given(&f32s(&[4, 3]), Some(&f32s(&[2, 5, 3])))).contains("got [2, 5, 3]")
        );
        assert!(message(NoiseInput::given(&f32s(&[4]), None)).contains("got [4]"));
        assert!(input.batch(2..5, Device::Cpu).is_err());
    }

    fn level() -> Level {
        Level::variance_preserving(-9.0, ddpm_core::Time::Continuous(1.0))
    }
}
