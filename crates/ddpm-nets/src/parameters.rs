//! The weights of a network as an ordered list of named tensors.
//!
//! The order is that of construction. Optimizer moments and averages are lists in the same order, and files written from it are reproducible.

use crate::NetsError;
use crate::tensor_file::TensorMap;
use ddpm_core::noise::{NoiseSource, Purpose};
use rand_distr::{Distribution, StandardNormal, Uniform};
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// The initialization of a weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Init {
    Zeros,
    Ones,
    /// N(0, 1), for embedding tables.
    Normal,
    /// Uniform with variance scale / fan_avg: Ho et al.'s `variance_scaling(scale, 'fan_avg', 'uniform')`.
    VarianceScaling {
        scale: f64,
    },
}

/// The scale that Ho et al. give to layers whose output should start at 0: their code replaces 0 by 1e-10.
pub(crate) const NEARLY_ZERO: Init = Init::VarianceScaling { scale: 1e-10 };
/// Ho et al.'s default.
pub(crate) const DEFAULT_INIT: Init = Init::VarianceScaling { scale: 1.0 };

/// An ordered list of named f32 weights on one device.
#[derive(Debug)]
pub struct Parameters {
    device: Device,
    seed: u64,
    names: Vec<String>,
    tensors: Vec<Tensor>,
    /// Tensors that are drawn once and not trained. They are part of the network's file.
    fixed: Vec<(String, Tensor)>,
}

impl Parameters {
    /// An empty list; `seed` determines the initial weights, independently of the device.
    pub fn new(device: Device, seed: u64) -> Self {
        Parameters { device, seed, names: Vec::new(), tensors: Vec::new(), fixed: Vec::new() }
    }

    /// Adds a weight and returns a handle that shares its storage.
    pub(crate) fn add(&mut self, name: String, shape: &[i64], init: Init) -> Tensor {
        let index = self.tensors.len() as u64;
        let values = initial_values(self.seed, index, shape, init);
        let tensor =
            Tensor::from_slice(&values).reshape(shape).to_device(self.device).set_requires_grad(true);
        let handle = tensor.shallow_clone();
        self.names.push(name);
        self.tensors.push(tensor);
        handle
    }

    /// Adds a tensor that is not trained: `factor` times a standard normal draw. Returns a handle that shares its storage.
    pub(crate) fn add_fixed(&mut self, name: String, shape: &[i64], factor: f64) -> Tensor {
        // Its stream is beyond those of all weights, which it leaves as they are.
        let values = initial_values(self.seed, u64::MAX - self.fixed.len() as u64, shape, Init::Normal);
        let tensor = (Tensor::from_slice(&values).reshape(shape) * factor).to_device(self.device);
        let handle = tensor.shallow_clone();
        self.fixed.push((name, tensor));
        handle
    }

    /// The tensors that are not trained, with their names.
    pub fn fixed(&self) -> &[(String, Tensor)] {
        &self.fixed
    }

    /// The device that holds the weights.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Names in construction order; diffusers' state-dict keys for a U-Net.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Weights in the order of [`Parameters::names`].
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Number of scalar weights.
    pub fn count(&self) -> u64 {
        self.tensors.iter().map(|t| t.numel() as u64).sum()
    }

    /// Changes the memory layout of convolution weights (rank 4) to channels-last, in place for every handle. Optimizer moments and averages
    /// that are created afterwards share the layout.
    pub fn set_channels_last(&self) -> Result<(), NetsError> {
        for tensor in self.tensors.iter().filter(|tensor| tensor.dim() == 4) {
            let laid_out = torch_ext::memory_format::channels_last(&tensor.detach())?;
            torch_ext::fence(|| tensor.shallow_clone().set_data(&laid_out))?;
        }
        Ok(())
    }

    /// Switches gradient recording of every weight.
    pub fn set_requires_grad(&self, on: bool) {
        for tensor in &self.tensors {
            let _ = tensor.set_requires_grad(on);
        }
    }

    /// Overwrites all weights, and the tensors that are not trained, with those of a file: every name must be there with the same shape, and no other.
    ///
    /// `path` only serves the error text.
    pub fn load(&self, file: &TensorMap, path: &Path) -> Result<(), NetsError> {
        let fixed = self.fixed.iter().map(|(name, tensor)| (name, tensor));
        let all: Vec<(&String, &Tensor)> = self.names.iter().zip(&self.tensors).chain(fixed).collect();
        for &(name, tensor) in &all {
            let Some(value) = file.get(name) else {
                return Err(NetsError::format(path, format!("tensor {name} is missing")));
            };
            if value.size() != tensor.size() {
                let reason =
                    format!("tensor {name} has shape {:?}, expected {:?}", value.size(), tensor.size());
                return Err(NetsError::format(path, reason));
            }
            if !value.is_floating_point() {
                let reason =
                    format!("tensor {name} holds {:?}, expected floating-point numbers", value.kind());
                return Err(NetsError::format(path, reason));
            }
        }
        if let Some(extra) = file.keys().find(|name| !all.iter().any(|(known, _)| known == name)) {
            return Err(NetsError::format(path, format!("tensor {extra} has no place in this network")));
        }
        tch::no_grad(|| {
            for (name, tensor) in all {
                tensor.shallow_clone().copy_(&file[name].to_kind(Kind::Float));
            }
        });
        Ok(())
    }
}

fn initial_values(seed: u64, index: u64, shape: &[i64], init: Init) -> Vec<f32> {
    let count = shape.iter().product::<i64>() as usize;
    let mut rng = NoiseSource::new(seed, Purpose::Weights).rng(index, 0);
    match init {
        Init::Zeros => vec![0.0; count],
        Init::Ones => vec![1.0; count],
        Init::Normal => (0..count).map(|_| StandardNormal.sample(&mut rng)).collect(),
        Init::VarianceScaling { scale } => {
            let receptive: i64 = shape[2..].iter().product();
            let fan_avg = 0.5 * ((shape[0] + shape[1]) * receptive) as f64;
            let limit = (3.0 * scale / fan_avg).sqrt() as f32;
            match Uniform::new_inclusive(-limit, limit) {
                Ok(law) => (0..count).map(|_| law.sample(&mut rng)).collect(),
                Err(_) => vec![0.0; count],
            }
        }
    }
}
