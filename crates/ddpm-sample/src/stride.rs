//! DDIM with the arrival levels of diffusers' `DDIMScheduler`.
//!
//! That scheduler steps from a visited timestep t to t - floor(T/N), wherever the next visited timestep lies. On `leading` grids, and on
//! `trailing` ones where N divides T, that is the next one, and the plan is [`ddpm_core::Scheme::Ddim`]'s. Elsewhere (`linspace`, or N that
//! does not divide T) the state is denoised at one level after it was brought to a neighbouring one: an error of the first order in the gap,
//! which is reproduced here so that the same grid gives the same samples.

use crate::SampleError;
use ddpm_core::scheme::{Step, ddim};
use ddpm_core::{Level, Schedule, TimeIndex};

/// The plan of diffusers' DDIM through `timesteps`, the noisiest first, of a schedule: steps of floor(T/N), the last one to data.
pub fn strided_ddim(
    schedule: &Schedule,
    timesteps: &[TimeIndex],
    eta: f64,
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
        .map(|(t, index)| ddim(t, &arrival(index), eta))
        .collect::<Result<_, _>>()?)
}
