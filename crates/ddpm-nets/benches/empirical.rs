//! The empirical denoiser of 50,000 images of 3,072 numbers, beside the matrix products that it cannot do without.
//!
//! Throughput is in floating-point operations: 4 n m d for a posterior mean (a product for the distances, one for the mean), so criterion's
//! `Gelem/s` reads as GFLOP/s. At low noise the second product is skipped, and the same figure counts work that was saved.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ddpm_core::{Level, Schedule, TimeIndex};
use ddpm_nets::targets::{EmpiricalTarget, IdealDenoiser};
use tch::{Device, Kind, Tensor};

const IMAGES: i64 = 50_000;
const NUMBERS: i64 = 3_072;

fn level(t: u32) -> Level {
    Schedule::linear(1000).expect("the linear schedule exists").level(TimeIndex(t))
}

fn empirical(criterion: &mut Criterion) {
    let data = Tensor::empty([IMAGES, NUMBERS], (Kind::Float, Device::Cpu)).uniform_(-1.0, 1.0);
    let target = EmpiricalTarget::new(&data, false).expect("images make a measure");
    let mut group = criterion.benchmark_group("empirical 50000x3072");
    group.sample_size(10);
    for n in [16i64, 64, 256] {
        let flops = 4 * n * IMAGES * NUMBERS;
        group.throughput(Throughput::Elements(flops as u64));
        let x = data.narrow(0, 0, n);
        group.bench_with_input(BenchmarkId::new("two plain products", n), &n, |bencher, _| {
            bencher.iter(|| x.matmul(&data.tr()).matmul(&data));
        });
        for (name, t) in [("denoise, t = 600", 600), ("denoise, t = 20", 20)] {
            let level = level(t);
            let x_t = &x * level.alpha() + x.randn_like() * level.sigma();
            group.bench_with_input(BenchmarkId::new(name, n), &n, |bencher, _| {
                bencher.iter(|| target.posterior(&x_t, &level).expect("shapes fit"));
            });
        }
    }
    group.finish();
    if let Some(peak) = peak_memory() {
        println!("peak memory of this process: {peak} (the images and their copy here included)");
    }
}

/// Linux's record of the largest resident set.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map(|value| value.trim().to_string())
}

criterion_group!(benches, empirical);
criterion_main!(benches);
