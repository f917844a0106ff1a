//! DDIM with the arrival levels of diffusers' `DDIMScheduler`.
//!
//! That scheduler steps from a visited timestep t to t - floor(T/N), wherever the next visited timestep lies. On `leading` grids, and on
//! `trailing` ones where N divides T, that is the next one, and the plan is [`ddpm_core::Scheme::Ddim`]'s. Elsewhere (`linspace`, or N that
//! does not divide T) the state arrives at one level and is denoised at a neighbouring one: an error of the first order in the gap. It is
//! reproduced here so that the same grid gives the same samples.

use crate::{
    LinearSampler, Noise, Options, Progress, SampleError, Sampler, Samples, Tolerance, run, sampler,
};
use ddpm_core::Step;
use ddpm_core::scheme::ddim;
use ddpm_core::{Grid, Level, Schedule, Scheme, Time, TimeIndex, Trajectory};
use ddpm_nets::Denoiser;
use std::ops::ControlFlow;

/// The sampler of a scheme along training timesteps that `grid` chose among those of `schedule`: where the grid is one of diffusers', DDIM arrives
/// where diffusers' does; everything else goes from each visited level to the next.
pub fn sampler_on_grid(
    scheme: &Scheme,
    schedule: &Schedule,
    grid: Grid,
    trajectory: &Trajectory,
    tolerance: Tolerance,
) -> Result<Box<dyn Sampler>, SampleError> {
    if let (Scheme::Ddim { eta, use_clipped_model_output }, Grid::Leading | Grid::Linspace | Grid::Trailing) =
        (scheme, grid)
    {
        let timesteps: Vec<TimeIndex> = trajectory
            .levels()
            .iter()
            .filter_map(|level| match level.time() {
                Time::Index(t) => Some(t),
                _ => None,
            })
            .collect();
        // diffusers' DDIM knows no variance-exploding levels, which have no timesteps.
        if timesteps.len() == trajectory.steps() {
            let plan = strided_ddim(schedule, &timesteps, *eta, *use_clipped_model_output)?;
            return Ok(Box::new(LinearSampler::new(plan)));
        }
    }
    sampler(scheme, trajectory, tolerance)
}

/// [`crate::sample`] with the [`sampler_on_grid`].
#[allow(clippy::too_many_arguments, reason = "sample's own, the schedule and the grid")]
pub fn sample_on_grid(
    denoiser: &dyn Denoiser,
    scheme: &Scheme,
    schedule: &Schedule,
    grid: Grid,
    trajectory: &Trajectory,
    noise: &mut dyn Noise,
    options: &Options,
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Samples, SampleError> {
    let mut sampler = sampler_on_grid(scheme, schedule, grid, trajectory, options.tolerance)?;
    let start = torch_ext::fence(|| noise.start(trajectory.start()))??;
    run(denoiser, sampler.as_mut(), start, noise, options, progress)
}

/// The plan of diffusers' DDIM through `timesteps`, the noisiest first, of a schedule: steps of floor(T/N), the last one to data.
pub fn strided_ddim(
    schedule: &Schedule,
    timesteps: &[TimeIndex],
    eta: f64,
    use_clipped_model_output: bool,
) -> Result<Vec<Step>, SampleError> {
    let stride = (schedule.steps() / timesteps.len().max(1)) as u32;
    let levels = schedule.visited(timesteps)?;
    let arrival = |t: &TimeIndex| match t.0.checked_sub(stride) {
        Some(s) => schedule.level(TimeIndex(s)),
        None => Level::CLEAN,
    };
    Ok(levels
        .iter()
        .zip(timesteps)
        .map(|(t, index)| ddim(t, &arrival(index), eta, use_clipped_model_output))
        .collect::<Result<_, _>>()?)
}
