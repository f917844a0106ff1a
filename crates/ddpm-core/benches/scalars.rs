//! What the mathematics costs: schedules, a run's plan of steps, and the exact recursion.
#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ddpm_core::recursion::{GaussianDenoiser, w2_errors};
use ddpm_core::targets::{Covariance, Gaussian};
use ddpm_core::{Grid, Process, SAMPLERS, ScheduleConfig, ScheduleKind, Scheme, Trajectory};
use std::hint::black_box;

fn schedules(c: &mut Criterion) {
    let mut group = c.benchmark_group("schedule");
    for kind in [ScheduleKind::Linear, ScheduleKind::Cosine, ScheduleKind::Karras] {
        for steps in [1000, 4000] {
            group.bench_function(BenchmarkId::new(kind.name(), steps), |b| {
                b.iter(|| ScheduleConfig::with_steps(black_box(kind), steps).build().unwrap());
            });
        }
    }
    group.finish();
}

/// The scalars of one step: what a sampler pays before it touches a tensor.
fn step_scalars(c: &mut Criterion) {
    let schedule = ScheduleConfig::default().build().unwrap();
    let trajectory = Trajectory::discrete(&schedule, &Grid::Trailing.visit(&schedule, 50).unwrap()).unwrap();
    let mut group = c.benchmark_group("step scalars");
    for info in SAMPLERS {
        if matches!(info.scheme, Scheme::Langevin { .. } | Scheme::AnnealedLangevin { .. }) {
            continue;
        }
        group.bench_function(info.name, |b| b.iter(|| info.scheme.step(black_box(&trajectory), 25).unwrap()));
    }
    group.finish();
}

fn recursion(c: &mut Criterion) {
    let eigenvalues: Vec<f64> = (0..3072).map(|i| 10.0 * (-0.004 * f64::from(i)).exp()).collect();
    let target = Gaussian::new(vec![0.0; 3072], Covariance::Diagonal(eigenvalues)).unwrap();
    let denoiser = GaussianDenoiser::new(&target, 0.0);
    let times = Grid::Linspace.times(&Process::VP, 49, 1e-3).unwrap();
    let trajectory = Trajectory::continuous(&Process::VP, &times).unwrap();
    let mut group = c.benchmark_group("recursion, 3072 eigenvalues, 49 steps");
    group.sample_size(10);
    for scheme in [Scheme::Em, Scheme::OdeHeun, Scheme::Dpmpp3m] {
        group.bench_function(scheme.name(), |b| {
            b.iter(|| w2_errors(&denoiser, black_box(&trajectory), &scheme).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, schedules, step_scalars, recursion);
criterion_main!(benches);
