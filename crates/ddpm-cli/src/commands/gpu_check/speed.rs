//! Speed of training steps, beside the rates that the GPU reaches for large products and copies.

use anyhow::Result;
use ddpm_core::{PredictionKind, Schedule};
use ddpm_nets::{UNet, UNetConfig};
use ddpm_train::{Objective, ObjectiveConfig};
use serde::Serialize;
use std::time::Instant;
use tch::{Device, Kind, Tensor};

/// Images a step.
const BATCH: i64 = 128;
/// Steps, products or copies that are timed, after three that are not.
const TIMED: u32 = 10;
/// Side of the matrices of the measured product.
const SIDE: i64 = 8192;
/// Numbers of the measured copy, in f32: 1 GiB, 20 times the cache of an H100.
const COPIED: i64 = 1 << 28;

/// What the device reaches in operations that do nothing else.
#[derive(Debug, Serialize)]
pub(super) struct Peaks {
    pub(super) f32_tflops: f64,
    pub(super) bf16_tflops: f64,
    /// Bytes read and written by a copy.
    pub(super) terabytes_per_second: f64,
}

/// A training step: forward pass, loss, backward pass.
#[derive(Debug, Serialize)]
pub(super) struct Speed {
    pub(super) batch: i64,
    pub(super) images_per_second: f64,
    /// Floating-point operations of products and convolutions, against the rate of the measured product.
    pub(super) share_of_matrix_rate: f64,
    /// The time that the layers need one by one, each for its operations or for its numbers in memory, whichever is longer, against the time
    /// taken.
    pub(super) share_of_roofline: f64,
    /// Most memory of the GPU that tensors held during the steps.
    pub(super) peak_memory_bytes: Option<u64>,
}

impl Peaks {
    pub(super) fn measure(device: Device) -> Result<Self> {
        let product = |kind: Kind| -> Result<f64> {
            let side = if device.is_cuda() { SIDE } else { 256 };
            let a = torch_ext::fence(|| Tensor::randn([side, side], (Kind::Float, device)).to_kind(kind))?;
            let seconds = seconds_each(device, || Ok(torch_ext::fence(|| drop(a.matmul(&a)))?))?;
            Ok(2.0 * (side as f64).powi(3) / seconds / 1e12)
        };
        let (f32_tflops, bf16_tflops) = (product(Kind::Float)?, product(Kind::BFloat16)?);
        let count = if device.is_cuda() { COPIED } else { 1 << 20 };
        let source = torch_ext::fence(|| Tensor::zeros([count], (Kind::Float, device)))?;
        let mut target = torch_ext::fence(|| source.zeros_like())?;
        let seconds = seconds_each(device, || Ok(torch_ext::fence(|| target.copy_(&source))?))?;
        Ok(Peaks { f32_tflops, bf16_tflops, terabytes_per_second: 8.0 * count as f64 / seconds / 1e12 })
    }
}

/// Training steps of a preset's network.
pub(super) fn training(
    model: &UNetConfig,
    schedule: &Schedule,
    device: Device,
    bf16: bool,
    peaks: &Peaks,
) -> Result<Speed> {
    torch_ext::memory::reset_peak(device)?;
    let network = UNet::new(model.clone(), device, 1)?;
    let [height, width] = model.sample_size.height_width();
    let images = if device.is_cuda() { BATCH } else { 2 };
    let x0 = Tensor::rand([images, model.in_channels, height, width], (Kind::Float, device));
    let objective = Objective::new(ObjectiveConfig::simple(schedule.clone(), PredictionKind::Epsilon, 1, 0))?;
    let batch = objective.batch(&x0, 0)?;
    let step = || -> Result<()> {
        let forward = || network.forward(&batch.input, &batch.condition, None, true);
        torch_ext::fence(|| {
            let output = if bf16 { torch_ext::autocast::bf16(device, forward) } else { Ok(forward()) }?;
            (output.to_kind(Kind::Float) - &batch.target).square().mean(Kind::Float).backward();
            Ok::<(), torch_ext::TorchError>(())
        })??;
        Ok(())
    };
    let seconds = seconds_each(device, step)?;
    let tflops = if bf16 { peaks.bf16_tflops } else { peaks.f32_tflops };
    let floats = 3.0 * model.forward_flops() as f64 * images as f64;
    Ok(Speed {
        batch: images,
        images_per_second: images as f64 / seconds,
        share_of_matrix_rate: floats / seconds / (tflops * 1e12),
        share_of_roofline: shortest(model, images, bf16, peaks) / seconds,
        peak_memory_bytes: torch_ext::memory::peak(device)?,
    })
}

/// Seconds that the layers of a training step need at the peak rates; the backward pass counts twice the forward pass.
fn shortest(model: &UNetConfig, images: i64, bf16: bool, peaks: &Peaks) -> f64 {
    let (tflops, bytes) = if bf16 { (peaks.bf16_tflops, 2.0) } else { (peaks.f32_tflops, 4.0) };
    let images = images as f64;
    let layers = model.layer_costs();
    let forward: f64 = layers
        .iter()
        .map(|layer| {
            let computed = 2.0 * layer.multiply_adds as f64 * images / (tflops * 1e12);
            let moved = bytes * (layer.activations as f64 * images + layer.weights as f64);
            computed.max(moved / (peaks.terabytes_per_second * 1e12))
        })
        .sum();
    3.0 * forward
}

/// Mean seconds of an operation on a device that works on its own.
fn seconds_each(device: Device, mut operation: impl FnMut() -> Result<()>) -> Result<f64> {
    let wait = || {
        if let Device::Cuda(index) = device {
            tch::Cuda::synchronize(index as i64);
        }
    };
    for _ in 0..3 {
        operation()?;
    }
    wait();
    let begun = Instant::now();
    for _ in 0..TIMED {
        operation()?;
    }
    wait();
    Ok(begun.elapsed().as_secs_f64() / f64::from(TIMED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, RunConfig};

    #[test]
    fn a_step_is_slower_than_the_roofline_and_bound_by_the_slower_of_the_two() {
        let (_, RunConfig::Images(config)) = config::load("digits", &[]).unwrap() else { unreachable!() };
        let peaks = Peaks { f32_tflops: 1.0, bf16_tflops: 2.0, terabytes_per_second: 1e9 };
        // With unlimited memory the operations alone count.
        let floats = 3.0 * config.model.forward_flops() as f64 * 8.0;
        let shortest_f32 = shortest(&config.model, 8, false, &peaks);
        assert!((shortest_f32 / (floats / 1e12) - 1.0).abs() < 1e-3, "{shortest_f32}");
        assert!((shortest_f32 / shortest(&config.model, 8, true, &peaks) - 2.0).abs() < 1e-2);
        // With unlimited arithmetic the numbers alone count.
        let memory = Peaks { f32_tflops: 1e9, bf16_tflops: 1e9, terabytes_per_second: 1.0 };
        let numbers: u64 = config.model.layer_costs().iter().map(|l| 8 * l.activations + l.weights).sum();
        let expected = 3.0 * 4.0 * numbers as f64 / 1e12;
        assert!((shortest(&config.model, 8, false, &memory) / expected - 1.0).abs() < 1e-3);

        let schedule = config.diffusion.scheduler().unwrap().schedule().clone();
        let measured = Peaks::measure(Device::Cpu).unwrap();
        let speed = training(&config.model, &schedule, Device::Cpu, false, &measured).unwrap();
        assert!(speed.images_per_second > 0.0 && speed.share_of_roofline > 0.0, "{speed:?}");
    }
}
