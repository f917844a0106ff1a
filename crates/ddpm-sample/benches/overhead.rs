//! What a step of each sampler costs without a network: one CIFAR-10 image, 50 steps, a denoiser that answers at once.
//!
//! Criterion's time is that of 50 steps; the lines between give a single one. Ho et al.'s U-Net takes 30 to 50 ms for an image on two CPU
//! cores, and a step should add less than 1 % to it: 0.3 ms.

use criterion::{Criterion, criterion_group, criterion_main};
use ddpm_core::{Grid, Level, PredictionKind, SAMPLERS, Schedule, Scheme, Trajectory};
use ddpm_nets::{Denoiser, NetsError, Prediction};
use ddpm_sample::{NoiseInput, Options, Progress, sample};
use std::ops::ControlFlow;
use std::time::Instant;
use tch::{Device, Tensor};

const STEPS: usize = 50;

/// Answers with what it was given.
struct Nothing;

impl Denoiser for Nothing {
    fn predict(&self, x_t: &Tensor, _: &Level) -> Result<Prediction, NetsError> {
        Ok(Prediction { kind: PredictionKind::X0, value: x_t.shallow_clone(), variance_output: None })
    }
}

fn trajectory(schedule: &Schedule, steps: usize) -> Trajectory {
    let timesteps = Grid::Trailing.timesteps(schedule.steps(), steps).expect("fewer steps than levels");
    Trajectory::discrete(schedule, &timesteps).expect("visited levels fall")
}

fn overhead(criterion: &mut Criterion) {
    let schedule = Schedule::linear(1000).expect("the linear schedule exists");
    let noise = NoiseInput::keyed(0, &[3, 32, 32]);
    let mut group = criterion.benchmark_group("50 steps of one 3x32x32 image");
    group.sample_size(10);
    for info in SAMPLERS {
        let (scheme, trajectory) = match info.scheme {
            Scheme::Langevin { relative_step, .. } => {
                (Scheme::Langevin { relative_step, steps: STEPS }, trajectory(&schedule, 1))
            }
            Scheme::AnnealedLangevin { epsilon, .. } => (
                Scheme::AnnealedLangevin { epsilon, steps: 1, constant_step: false },
                trajectory(&schedule, STEPS),
            ),
            // Its rate must stay below 1 in every step.
            Scheme::DdpmRate => continue,
            scheme => (scheme, trajectory(&schedule, STEPS)),
        };
        let run = || {
            let mut batch = noise.batch(0..1, Device::Cpu).expect("keyed noise has any image");
            let mut on = |_: &Progress| ControlFlow::Continue(());
            sample(&Nothing, &scheme, &trajectory, &mut batch, &Options::default(), &mut on).expect("it runs")
        };
        group.bench_function(info.name, |bencher| bencher.iter(run));
        let begin = Instant::now();
        let steps = run().steps;
        println!("{}: {:.3} ms a step", info.name, begin.elapsed().as_secs_f64() * 1e3 / steps as f64);
    }
    group.finish();
}

criterion_group!(benches, overhead);
criterion_main!(benches);
