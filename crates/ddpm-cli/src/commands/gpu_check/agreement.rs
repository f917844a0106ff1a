//! Outputs, gradients and a training step of a network on one device.

use anyhow::Result;
use ddpm_core::{PredictionKind, Schedule};
use ddpm_nets::{UNet, UNetConfig};
use ddpm_train::{Adam, Objective, ObjectiveConfig};
use tch::{Device, Kind, Tensor};
use torch_ext::foreach::AdamStep;

/// Images of the comparison.
const BATCH: i64 = 4;

/// The recipe's Adam, with a learning rate whose one step changes the loss by per cents.
const ADAM: AdamStep = AdamStep {
    learning_rate: 2e-4,
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weight_decay: 0.0,
    decoupled: false,
};

/// Results of one device on the same inputs.
pub(super) struct DeviceResults {
    pub(super) output: Tensor,
    pub(super) output_bf16: Tensor,
    pub(super) loss: Tensor,
    pub(super) gradients: Tensor,
    /// The loss of the same batch after a step of Adam.
    pub(super) loss_after_step: Tensor,
}

impl DeviceResults {
    pub(super) fn of(model: &UNetConfig, schedule: &Schedule, device: Device) -> Result<Self> {
        // Dropout masks differ between devices.
        let network = UNet::new(UNetConfig { dropout: 0.0, ..model.clone() }, device, 1)?;
        fill(&network)?;
        let [height, width] = model.sample_size.height_width();
        tch::manual_seed(0);
        let x0 =
            Tensor::rand([BATCH, model.in_channels, height, width], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
        let objective =
            Objective::new(ObjectiveConfig::simple(schedule.clone(), PredictionKind::Epsilon, 1, 0))?;
        let batch = objective.batch(&x0.to_device(device), 0)?;
        let forward = || network.forward(&batch.input, &batch.condition, None, false);
        let loss_of = |output: &Tensor| (output - &batch.target).square().mean(Kind::Float);
        let output_bf16 = torch_ext::fence(|| torch_ext::autocast::bf16(device, || tch::no_grad(forward)))??;
        let (output, loss) = torch_ext::fence(|| {
            let output = forward();
            let loss = loss_of(&output);
            loss.backward();
            (output, loss)
        })?;
        let weights = network.parameters().tensors();
        let grads: Vec<Tensor> = torch_ext::fence(|| weights.iter().map(Tensor::grad).collect())?;
        let gradients =
            torch_ext::fence(|| Tensor::cat(&grads.iter().map(|g| g.reshape([-1])).collect::<Vec<_>>(), 0))?;
        Adam::new(weights).step(weights, &grads, ADAM, 0, None)?;
        let loss_after_step = torch_ext::fence(|| tch::no_grad(|| loss_of(&forward())))?;
        Ok(DeviceResults { output, output_bf16, loss, gradients, loss_after_step })
    }
}

/// The output of a fresh network is nearly 0. Every weight is filled, so that all layers contribute.
fn fill(network: &UNet) -> Result<()> {
    Ok(torch_ext::fence(|| {
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
    })?)
}

/// The largest difference of two tensors, relative to the largest value of the first.
pub(super) fn relative(a: &Tensor, b: &Tensor) -> f64 {
    let (a, b) = (a.detach().to_device(Device::Cpu), b.detach().to_device(Device::Cpu).to_kind(Kind::Float));
    (&a - b).abs().max().double_value(&[]) / a.abs().max().double_value(&[]).max(f64::MIN_POSITIVE)
}
