//! Encoding of data as noise by the probability-flow ODE, and interpolation between encodings (Song et al. 2021, sec. 4.3 and appendix D.2).

use crate::{LinearSampler, Noise, Options, Progress, SampleError, Samples, run};
use ddpm_core::Level;
use ddpm_core::Trajectory;
use ddpm_core::scheme::{Tableau, runge_kutta};
use ddpm_nets::Denoiser;
use std::ops::ControlFlow;
use tch::Tensor;

/// The state at the trajectory's noisiest level whose ODE samples are `x0` `[n, ...]`: Heun's method through the same levels, upwards.
///
/// Sampling it with `ode-heun` (or any deterministic sampler) along the same trajectory gives `x0` back, up to the discretization error.
/// The thresholding of `options` applies on the way up as it would on the way down; unthresholded encodings are the ones to invert.
pub fn encode(
    denoiser: &dyn Denoiser,
    trajectory: &Trajectory,
    x0: &Tensor,
    options: &Options,
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Samples, SampleError> {
    let process = trajectory.process("encode")?;
    let rising: Vec<Level> =
        trajectory.levels().iter().rev().filter(|level| !level.is_clean()).copied().collect();
    let plan = rising
        .windows(2)
        .map(|pair| runge_kutta(process, &pair[0], &pair[1], &Tableau::HEUN))
        .collect::<Result<Vec<_>, _>>()?;
    // The ODE starts at the least noisy level, with data in place of noised data: the missing noise is below the discretization error.
    let start = torch_ext::fence(|| x0 * rising[0].alpha())?;
    run(denoiser, &mut LinearSampler::new(plan), start, &mut NoNoise, options, progress)
}

/// The point at `fraction` (0..1) of the great circle from each row of `a` `[n, ...]` to that of `b` (Shoemake 1985): unlike a straight line it
/// keeps the norm that the sampler expects of noise.
pub fn interpolate(a: &Tensor, b: &Tensor, fraction: f64) -> Result<Tensor, SampleError> {
    Ok(torch_ext::fence(|| {
        let rows = |x: &Tensor| x.reshape([x.size()[0], -1]);
        let (a_rows, b_rows) = (rows(a), rows(b));
        let sum = |x: Tensor| x.sum_dim_intlist([1i64].as_slice(), true, x.kind());
        let norms = (sum(a_rows.square()) * sum(b_rows.square())).sqrt();
        let angle = (sum(&a_rows * &b_rows) / norms).clamp(-1.0, 1.0).acos();
        // Parallel rows have no circle between them, and the weights below tend to a straight line's.
        let straight = angle.sin().lt(1e-6);
        let arc = |share: f64| ((&angle * share).sin() / angle.sin()).masked_fill(&straight, share);
        (a_rows * arc(1.0 - fraction) + b_rows * arc(fraction)).reshape(a.size())
    })?)
}

/// For methods without randomness.
struct NoNoise;

impl Noise for NoNoise {
    fn start(&mut self, _: &Level) -> Result<Tensor, SampleError> {
        self.draw()
    }

    fn draw(&mut self) -> Result<Tensor, SampleError> {
        Err(SampleError::noise("z", "no draw: the method is deterministic", "a draw"))
    }
}
