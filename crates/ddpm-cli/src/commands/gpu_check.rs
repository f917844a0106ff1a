//! `ddpm gpu-check`: outputs, gradients and speed of a network on a GPU, compared with the CPU.

use crate::config::{self, RunConfig};
use crate::global_options::Global;
use crate::output::print;
use crate::runtime::{self, StopFlag};
use anyhow::{Result, bail, ensure};
use ddpm_core::{PredictionKind, Schedule};
use ddpm_nets::UNet;
use ddpm_train::{Objective, ObjectiveConfig};
use std::time::Instant;
use tch::{Device, Kind, Tensor};
use torch_ext::device::DeviceChoice;

/// Check a GPU in a minute: forward, gradients, bf16 and a training step against the CPU, and their speed
#[derive(clap::Args, Debug)]
pub(crate) struct GpuCheck {
    /// The preset whose network is timed
    #[arg(long, default_value = "cifar10-ho2020")]
    config: String,
}

/// Largest difference from the CPU, relative to the largest value, in f32 (TF32 is off).
const TOLERANCE: f64 = 1e-3;
/// The same under bf16 autocast, whose numbers have 8 bits.
const TOLERANCE_BF16: f64 = 5e-2;
/// Images of the comparison.
const BATCH: i64 = 4;
/// Images a step of the speed measurement.
const TIMED_BATCH: i64 = 128;
/// Steps that are timed, after three that are not.
const TIMED_STEPS: u32 = 10;

impl GpuCheck {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        global.given.refuse(&["seed"], "on ddpm gpu-check, whose numbers are fixed")?;
        let choice = match global.device {
            DeviceChoice::Auto => DeviceChoice::Cuda(0),
            other => other,
        };
        StopFlag::install()?.abandonable("the check is not complete", || self.check(choice, global.threads))
    }

    fn check(&self, choice: DeviceChoice, threads: Option<usize>) -> Result<()> {
        let device = runtime::prepare(choice, threads)?;
        if device == Device::Cpu {
            bail!("gpu-check compares a GPU with the CPU; use --device cuda");
        }
        let (_, RunConfig::Images(config)) = config::load(&self.config, &[])? else {
            bail!("{}: gpu-check needs a network on images, such as digits", self.config)
        };
        let model = config.model;
        let schedule = config.diffusion.scheduler()?.schedule().clone();
        print(&format!("device       {}\n", runtime::device_name(device)))?;

        let on = |device| DeviceResults::of(&model, &schedule, device);
        let (cpu, gpu) = (on(Device::Cpu)?, on(device)?);
        let mut worst: f64 = 0.0;
        for (what, a, b, tolerance) in [
            ("forward", &cpu.output, &gpu.output, TOLERANCE),
            ("loss", &cpu.loss, &gpu.loss, TOLERANCE),
            ("gradients", &cpu.gradients, &gpu.gradients, TOLERANCE),
            ("bf16", &cpu.output, &gpu.output_bf16, TOLERANCE_BF16),
        ] {
            let difference = relative(a, b);
            print(&format!(
                "{what:12} differs from the CPU by {difference:.1e} (allowed {tolerance:.0e})\n"
            ))?;
            worst = worst.max(difference / tolerance);
        }
        let again = on(device)?;
        let same = gpu.gradients.equal(&again.gradients) && gpu.output_bf16.equal(&again.output_bf16);
        let word = if same { "the same bits" } else { "OTHER BITS" };
        print(&format!("{:12} {word} at a second evaluation\n", "repetition"))?;
        for (what, bf16, deterministic) in [
            ("speed f32", false, true),
            ("speed bf16", true, true),
            ("fastest f32", false, false),
            ("fastest bf16", true, false),
        ] {
            torch_ext::determinism::set(deterministic)?;
            let rate = training_rate(&model, &schedule, device, bf16)?;
            let how = if deterministic { "" } else { ", deterministic = false" };
            print(&format!("{what:12} {rate:.0} images/s trained at batch {TIMED_BATCH}{how}\n"))?;
        }
        ensure!(
            same,
            "the GPU does not repeat its results: a resumed run would differ from one that never stopped"
        );
        ensure!(worst <= 1.0, "the GPU's results differ from the CPU's by more than is allowed: see above");
        print("the GPU agrees with the CPU\n")
    }
}

/// Outputs and gradients of one device on the same inputs.
struct DeviceResults {
    output: Tensor,
    output_bf16: Tensor,
    loss: Tensor,
    gradients: Tensor,
}

impl DeviceResults {
    fn of(model: &ddpm_nets::UNetConfig, schedule: &Schedule, device: Device) -> Result<Self> {
        let network = UNet::new(without_dropout(model), device, 1)?;
        // The output of a fresh network is nearly 0. Every weight is filled, so that all layers contribute.
        torch_ext::fence(|| {
            tch::no_grad(|| {
                for (index, weight) in network.parameters().tensors().iter().enumerate() {
                    if weight.dim() > 1 {
                        let fan_in: i64 = weight.size()[1..].iter().product();
                        tch::manual_seed(index as i64);
                        let values =
                            Tensor::randn(weight.size(), (Kind::Float, Device::Cpu)) / (fan_in as f64).sqrt();
                        weight.shallow_clone().copy_(&values);
                    }
                }
            });
        })?;
        let [height, width] = model.sample_size.height_width();
        tch::manual_seed(0);
        let x0 =
            Tensor::rand([BATCH, model.in_channels, height, width], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
        let objective =
            Objective::new(ObjectiveConfig::simple(schedule.clone(), PredictionKind::Epsilon, 1, 0))?;
        let batch = objective.batch(&x0.to_device(device), 0)?;
        let forward = || network.forward(&batch.input, &batch.condition, None, false);
        let output_bf16 = torch_ext::fence(|| torch_ext::autocast::bf16(device, || tch::no_grad(forward)))??;
        let (output, loss) = torch_ext::fence(|| {
            let output = forward();
            let loss = (&output - &batch.target).square().mean(Kind::Float);
            loss.backward();
            (output, loss)
        })?;
        let gradients = torch_ext::fence(|| {
            let parts: Vec<Tensor> =
                network.parameters().tensors().iter().map(|weight| weight.grad().reshape([-1])).collect();
            Tensor::cat(&parts, 0)
        })?;
        Ok(DeviceResults { output, output_bf16, loss, gradients })
    }
}

/// The network without dropout, whose masks differ between devices.
fn without_dropout(model: &ddpm_nets::UNetConfig) -> ddpm_nets::UNetConfig {
    ddpm_nets::UNetConfig { dropout: 0.0, ..model.clone() }
}

/// The largest difference of two tensors, relative to the largest value of the first.
fn relative(a: &Tensor, b: &Tensor) -> f64 {
    let (a, b) = (a.detach().to_device(Device::Cpu), b.detach().to_device(Device::Cpu).to_kind(Kind::Float));
    (&a - b).abs().max().double_value(&[]) / a.abs().max().double_value(&[]).max(f64::MIN_POSITIVE)
}

/// Images per second of a training step: forward, loss and backward.
fn training_rate(
    model: &ddpm_nets::UNetConfig,
    schedule: &Schedule,
    device: Device,
    bf16: bool,
) -> Result<f64> {
    let network = UNet::new(model.clone(), device, 1)?;
    let [height, width] = model.sample_size.height_width();
    let x0 = Tensor::rand([TIMED_BATCH, model.in_channels, height, width], (Kind::Float, device));
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
    for _ in 0..3 {
        step()?;
    }
    tch::Cuda::synchronize(if let Device::Cuda(n) = device { n as i64 } else { 0 });
    let begun = Instant::now();
    for _ in 0..TIMED_STEPS {
        step()?;
    }
    tch::Cuda::synchronize(if let Device::Cuda(n) = device { n as i64 } else { 0 });
    Ok(f64::from(TIMED_STEPS) * TIMED_BATCH as f64 / begun.elapsed().as_secs_f64())
}
