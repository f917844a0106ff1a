//! Exchange of tensors between devices, one thread for each, as processes of a group do it.

use anyhow::{Context, Result, anyhow, ensure};
use serde::Serialize;
use std::net::TcpListener;
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor};
use torch_ext::dist::{DataParallel, Rendezvous, Workers, nccl_version};

/// Numbers of the timed sum, in f32: 256 MB, nearly twice the gradients of Ho et al.'s network.
const SUMMED: i64 = 64_000_000;
/// Sums that are timed, after two that are not.
const TIMED: u32 = 10;
/// A device that does not answer is an error after this time.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct Exchange {
    pub(super) nccl: Option<String>,
    pub(super) devices: usize,
    /// Bytes of a tensor that was summed over all devices, a second; the links carry 2 (n - 1) / n of it. `None` for one device, which sums nothing.
    pub(super) gigabytes_per_second: Option<f64>,
}

/// Sums, broadcasts and averaged gradients over all devices.
pub(super) fn check(devices: &[Device]) -> Result<Exchange> {
    let nccl = match devices.first() {
        Some(device) if device.is_cuda() => Some(nccl_version()?),
        _ => None,
    };
    let port =
        TcpListener::bind(("127.0.0.1", 0)).and_then(|l| l.local_addr()).context("no free port")?.port();
    let ranks: Vec<_> = devices
        .iter()
        .enumerate()
        .map(|(rank, &device)| {
            let place = Rendezvous {
                rank,
                world: devices.len(),
                local_rank: rank,
                host: "127.0.0.1".to_string(),
                port,
                serve: rank == 0,
                restarts: 0,
                timeout: PATIENCE,
            };
            std::thread::spawn(move || of_one(&place, device))
        })
        .collect();
    let mut seconds: f64 = 0.0;
    for (rank, thread) in ranks.into_iter().enumerate() {
        let answer = thread.join().map_err(|_| anyhow!("its thread ended"));
        seconds = seconds.max(answer.and_then(|seconds| seconds).with_context(|| format!("device {rank}"))?);
    }
    let bytes = 4.0 * count(devices[0]) as f64;
    let rate = bytes / seconds / 1e9;
    Ok(Exchange { nccl, devices: devices.len(), gigabytes_per_second: (devices.len() > 1).then_some(rate) })
}

fn count(device: Device) -> i64 {
    if device.is_cuda() { SUMMED } else { 1000 }
}

/// One rank; returns the seconds of a sum.
fn of_one(place: &Rendezvous, device: Device) -> Result<f64> {
    let (rank, world) = (place.rank, place.world);
    let workers = Workers::connect(place)?;
    workers.connect_gpus(device)?;
    let own = Tensor::full([count(device)], (rank + 1) as f64, (Kind::Float, device));
    workers.all_reduce(&own)?;
    let expected = (world * (world + 1) / 2) as f64;
    let all = |tensor: &Tensor, value: f64| tensor.eq(value).all().int64_value(&[]) == 1;
    ensure!(all(&own, expected), "the sum over all devices is wrong");

    let number = Tensor::full([3], rank as f64, (Kind::Float, device));
    workers.broadcast(&number, world - 1)?;
    ensure!(all(&number, (world - 1) as f64), "the broadcast tensor is wrong");

    let weight = Tensor::zeros([100, 100], (Kind::Float, device)).set_requires_grad(true);
    let parallel = DataParallel::new(&workers, &[weight.shallow_clone()])?;
    parallel.prepare()?;
    torch_ext::fence(|| (&weight * (rank + 1) as f64).sum(Kind::Float).backward())?;
    ensure!(all(&weight.grad(), expected / world as f64), "the averaged gradient is wrong");

    let synchronize = || {
        if let Device::Cuda(index) = device {
            tch::Cuda::synchronize(index as i64);
        }
    };
    // Zeros, so that repeated sums stay finite.
    let zeros = own.zeros_like();
    for _ in 0..2 {
        workers.all_reduce(&zeros)?;
    }
    synchronize();
    workers.barrier()?;
    let begun = Instant::now();
    for _ in 0..TIMED {
        workers.all_reduce(&zeros)?;
    }
    synchronize();
    let seconds = begun.elapsed().as_secs_f64() / f64::from(TIMED);
    // No device leaves before all have read their results.
    workers.barrier()?;
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_exchange_sums_and_gradients() {
        for devices in [&[Device::Cpu][..], &[Device::Cpu; 3]] {
            let exchange = check(devices).unwrap();
            assert_eq!(exchange.devices, devices.len());
            assert_eq!(exchange.gigabytes_per_second.is_some(), devices.len() > 1);
        }
    }
}
