//! Samples of a closed-form target: the ideal denoiser where a network would be.

use crate::progress::{Progress, human_seconds};
use anyhow::Result;
use ddpm_core::decomposition::mmse_per_component;
use ddpm_core::{Grid, Schedule, Scheme, Target, Trajectory, Variance};
use ddpm_nets::targets::ideal_denoiser;
use ddpm_sample::{NoiseInput, Options, Samples, Tolerance, sample, sample_batches, sample_on_grid};
use std::ops::ControlFlow;
use std::time::Instant;
use tch::Device;

/// What to sample.
pub(crate) struct TargetJob<'a> {
    /// The law of the data.
    pub(crate) target: &'a Target,
    /// The sampler with its options.
    pub(crate) scheme: Scheme,
    /// The levels that it goes through.
    pub(crate) trajectory: Trajectory,
    /// The schedule and the grid that chose them; none on a continuous process.
    pub(crate) discrete: Option<(&'a Schedule, Grid)>,
    /// What an adaptive sampler may err by.
    pub(crate) tolerance: Tolerance,
    /// Starting states and noise.
    pub(crate) noise: NoiseInput,
    /// Number of samples.
    pub(crate) num: u64,
    /// Samples at once.
    pub(crate) batch_size: u64,
}

/// Samples [n, d], unclipped.
pub(crate) fn sample_target(job: TargetJob<'_>, device: Device) -> Result<Samples> {
    let TargetJob { target, scheme, mut trajectory, discrete, tolerance, noise, num, batch_size } = job;
    if scheme == (Scheme::Ddpm { variance: Variance::Analytic }) {
        let mse = mmse_per_component(target, &trajectory)?;
        trajectory = trajectory.with_mse(mse)?;
    }
    // Also finds out what this sampler cannot do along these levels, before anything runs.
    let steps = scheme.plan(&trajectory)?.len() as u64;
    let denoiser = ideal_denoiser(target, device)?;
    let options = Options { tolerance, ..Options::default() };
    let begun = Instant::now();
    let mut progress = Progress::new("sample", "steps", 0, num.div_ceil(batch_size) * steps);
    let mut done = 0;
    let samples = sample_batches(num, batch_size, |range| {
        let mut noise = noise.batch(range, device)?;
        let mut report = |_: &ddpm_sample::Progress| {
            done += 1;
            progress.set(done, String::new);
            ControlFlow::Continue(())
        };
        let (denoiser, noise) = (denoiser.as_ref(), &mut noise);
        match discrete {
            Some((schedule, grid)) => {
                sample_on_grid(denoiser, &scheme, schedule, grid, &trajectory, noise, &options, &mut report)
            }
            None => sample(denoiser, &scheme, &trajectory, noise, &options, &mut report),
        }
    })?;
    progress.finish(&format!(
        "{num} samples with {}, {} evaluations, {}",
        scheme.name(),
        samples.evaluations,
        human_seconds(begun.elapsed().as_secs_f64())
    ));
    Ok(samples)
}
