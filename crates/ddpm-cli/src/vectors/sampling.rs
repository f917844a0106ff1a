//! Samples of a network on vectors.

use crate::progress::{Progress, human_seconds};
use anyhow::Result;
use ddpm_core::{Grid, Level, Noising, Scheme, Trajectory};
use ddpm_nets::{Denoiser, Mlp, ScoreDenoiser};
use ddpm_sample::{NoiseInput, Options, Samples, Tolerance, sample, sample_batches, sample_on_grid};
use std::ops::ControlFlow;
use std::time::Instant;
use tch::Device;

/// What to sample.
pub(crate) struct VectorJob<'a> {
    /// The network.
    pub(crate) network: &'a Mlp,
    /// The levels that it knows.
    pub(crate) noising: &'a Noising,
    /// The sampler with its options.
    pub(crate) scheme: Scheme,
    /// Levels visited.
    pub(crate) steps: usize,
    /// Which ones.
    pub(crate) grid: Option<Grid>,
    /// What an adaptive sampler may err by.
    pub(crate) tolerance: Tolerance,
    /// Starting states and noise.
    pub(crate) noise: NoiseInput,
    /// Number of samples.
    pub(crate) num: u64,
    /// Samples at once.
    pub(crate) batch_size: u64,
}

/// Samples [n, d].
pub(crate) fn sample_vectors(
    job: &VectorJob<'_>,
    device: Device,
    proceed: &dyn Fn() -> ControlFlow<()>,
) -> Result<Samples> {
    let (scheme, grid) = match job.noising {
        Noising::Discrete(_) => (job.scheme, job.grid.unwrap_or(Grid::Trailing)),
        Noising::Continuous { .. } => (job.scheme.on_process(), job.grid.unwrap_or(Grid::Linspace)),
    };
    let trajectory = match scheme {
        // Plain Langevin dynamics stays where there is least noise.
        Scheme::Langevin { .. } => {
            let least = job.noising.level_at(0.0)?;
            Trajectory::of_levels(vec![least, Level::CLEAN], job.noising.scale(), None)?
        }
        _ => job.noising.trajectory(job.steps, grid)?,
    };
    // Also finds out what this sampler cannot do along these levels, before anything runs.
    let steps = scheme.plan(&trajectory)?.len() as u64;
    let denoiser = ScoreDenoiser(job.network);
    let denoiser: &dyn Denoiser = &denoiser;
    let options = Options { tolerance: job.tolerance, ..Options::default() };
    let begun = Instant::now();
    let mut progress = Progress::new("sample", "steps", 0, job.num.div_ceil(job.batch_size) * steps);
    let mut done = 0;
    let samples = sample_batches(job.num, job.batch_size, |range| {
        let mut noise = job.noise.batch(range, device)?;
        let mut report = |_: &ddpm_sample::Progress| {
            done += 1;
            progress.set(done, String::new);
            proceed()
        };
        match job.noising {
            Noising::Discrete(schedule) => {
                let noise = &mut noise;
                sample_on_grid(denoiser, &scheme, schedule, grid, &trajectory, noise, &options, &mut report)
            }
            Noising::Continuous { .. } => {
                sample(denoiser, &scheme, &trajectory, &mut noise, &options, &mut report)
            }
        }
    })?;
    progress.finish(&format!(
        "{} samples with {}, {} evaluations, {}",
        job.num,
        scheme.name(),
        samples.evaluations,
        human_seconds(begun.elapsed().as_secs_f64())
    ));
    Ok(samples)
}
