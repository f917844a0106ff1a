//! Ho et al.'s network on a device against what diffusers' network in PyTorch computed on a CPU: `golden.json`, made by `golden.py`.

use super::agreement::relative;
use super::record::Difference;
use crate::config::{self, RunConfig};
use anyhow::{Result, bail};
use ddpm_nets::{UNet, UNetConfig};
use ddpm_testkit::hashed;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Device, Kind, Tensor};

const GOLDEN: &str = include_str!("golden.json");

/// The recorded values.
#[derive(Deserialize)]
struct Golden {
    /// Every 64th number of the output for one image.
    output: Vec<f64>,
    /// The mean squared error against hashed noise.
    loss: f64,
    /// The norm of its gradient by all parameters.
    gradient_norm: f64,
    /// The norms of its gradients by some parameters.
    gradient_norms: BTreeMap<String, f64>,
}

/// Differences of output, loss and gradients from the recorded values.
pub(super) fn differences(device: Device, allowed: f64) -> Result<Vec<Difference>> {
    let golden: Golden = serde_json::from_str(GOLDEN)?;
    let (_, RunConfig::Images(config)) = config::load("cifar10-ho2020", &[])? else {
        bail!("cifar10-ho2020 has a network on images")
    };
    let network = UNet::new(UNetConfig { dropout: 0.0, ..config.model }, device, 0)?;
    let parameters = network.parameters();
    let named = || parameters.names().iter().zip(parameters.tensors());
    let hashed_weight =
        |shape: &[i64], name: &str| Tensor::from_slice(&hashed::weight(name, shape)).reshape(shape);
    let weights: BTreeMap<String, Tensor> =
        named().map(|(name, tensor)| (name.clone(), hashed_weight(&tensor.size(), name))).collect();
    parameters.load(&weights, Path::new("hashed weights"))?;

    let shape = [1, 3, 32, 32];
    let noise = |name| Tensor::from_slice(&hashed::noise(name, 3 * 32 * 32)).reshape(shape).to_device(device);
    let (output, loss) = torch_ext::fence(|| {
        let t = Tensor::from_slice(&[500i64]).to_device(device);
        let output = network.forward(&noise("x"), &t, None, false);
        let loss = (&output - noise("eps")).square().mean(Kind::Float);
        loss.backward();
        (output, loss)
    })?;
    let norms: BTreeMap<&str, f64> = torch_ext::fence(|| {
        let norm = |tensor: &Tensor| tensor.grad().to_kind(Kind::Double).norm().double_value(&[]);
        named().map(|(name, tensor)| (name.as_str(), norm(tensor))).collect()
    })?;
    let all = norms.values().map(|norm| norm * norm).sum::<f64>().sqrt();
    let part: Vec<f64> = golden.gradient_norms.keys().map(|name| norms[name.as_str()]).collect();
    let recorded: Vec<f64> = golden.gradient_norms.values().copied().collect();
    let output = torch_ext::fence(|| output.reshape([-1]).slice(0, 0, 3 * 32 * 32, 64))?;
    let single = |value: f64| Tensor::from_slice(&[value]).to_kind(Kind::Float);
    let list = |values: &[f64]| Tensor::from_slice(values).to_kind(Kind::Float);
    Ok([
        ("output", list(&golden.output), output),
        ("its loss", single(golden.loss), loss.reshape([1])),
        ("its gradient", single(golden.gradient_norm), single(all)),
        ("by layer", list(&recorded), list(&part)),
    ]
    .into_iter()
    .map(|(what, recorded, ours)| Difference {
        what: what.to_string(),
        from: "PyTorch's recorded values".to_string(),
        relative: relative(&recorded, &ours),
        allowed,
    })
    .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_answers_as_recorded() {
        let differences = differences(Device::Cpu, 1e-4).unwrap();
        assert_eq!(differences.len(), 4);
        assert!(differences.iter().all(Difference::is_allowed), "{differences:?}");
    }
}
