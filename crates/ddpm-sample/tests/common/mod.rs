//! What the tests of samplers share.
// No test file uses all of it.
#![allow(dead_code, reason = "each test file uses its part")]

use ddpm_core::{Grid, Schedule, Scheme, Trajectory};
use ddpm_nets::Denoiser;
use ddpm_sample::{NoiseInput, Options, Progress, Samples, sample};
use std::ops::ControlFlow;
use tch::{Device, Kind, Tensor};

/// Steps through `linear` with T = 1000.
pub(crate) fn trailing(steps: usize) -> Trajectory {
    Trajectory::discrete(&linear(), &Grid::Trailing.timesteps(1000, steps).unwrap()).unwrap()
}

/// Ho et al.'s schedule.
pub(crate) fn linear() -> Schedule {
    Schedule::linear(1000).unwrap()
}

/// A progress callback that never stops.
pub(crate) fn on(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// `n` samples of d numbers with keyed noise.
pub(crate) fn keyed(
    denoiser: &dyn Denoiser,
    scheme: &Scheme,
    trajectory: &Trajectory,
    (n, d): (u64, i64),
    seed: u64,
) -> Samples {
    let mut noise = NoiseInput::keyed(seed, &[d]).batch(0..n, Device::Cpu).unwrap();
    sample(denoiser, scheme, trajectory, &mut noise, &Options::default(), &mut on).unwrap()
}

/// Numbers of a tensor in f64.
pub(crate) fn numbers(x: &Tensor) -> Vec<f64> {
    Vec::try_from(x.to_kind(Kind::Double).reshape([-1])).unwrap()
}
