//! The sampling loop.

use crate::error::describe;
use crate::{AdaptiveOde, Evaluator, LinearSampler, Moved, Noise, SampleError, Sampler, Tolerance};
use ddpm_core::Level;
use ddpm_core::{Scheme, Trajectory};
use ddpm_nets::{Denoiser, Threshold};
use std::ops::ControlFlow;
use tch::Tensor;

/// Options of [`sample`] besides the method.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Options {
    /// Thresholding of a predicted x_0 before it is used.
    pub threshold: Threshold,
    /// The states to keep.
    pub record: Record,
    /// The tolerance of methods that choose their own steps.
    pub tolerance: Tolerance,
}

/// The states of the trajectory that are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Number of frames, evenly spaced over the steps; the first is the starting state. As many as there are steps, or more, keeps all; so
    /// does any number where the steps are not known in advance.
    pub frames: usize,
    /// Number of images of the batch that are kept in each.
    pub images: usize,
}

/// A state of the trajectory.
#[derive(Debug)]
pub struct Frame {
    /// Number of steps taken before it.
    pub step: usize,
    /// Its level.
    pub level: Level,
    /// The state [images, ...].
    pub x_t: Tensor,
    /// The x_0 predicted there [images, ...], thresholded.
    pub x0: Tensor,
}

/// Progress after a step.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Steps taken.
    pub step: usize,
    /// Steps in all, where that is known in advance.
    pub steps: Option<usize>,
    /// The level that was reached.
    pub level: Level,
}

/// The result of sampling.
#[derive(Debug)]
pub struct Samples {
    /// The samples [n, ...] in model space.
    pub x: Tensor,
    /// The recorded states, the noisiest first.
    pub frames: Vec<Frame>,
    /// Steps taken.
    pub steps: usize,
    /// Evaluations of the denoiser.
    pub evaluations: u64,
    /// Root mean square of the samples, in units of the one that the last prediction and the noise of the last level would have: near 1, and far
    /// above where the steps are too long for the method.
    pub relative_size: f64,
}

/// Samples one batch with `scheme`: from `noise`'s starting state along `trajectory`.
///
/// `progress` is called after every step; breaking from it ends in [`SampleError::Interrupted`].
pub fn sample(
    denoiser: &dyn Denoiser,
    scheme: &Scheme,
    trajectory: &Trajectory,
    noise: &mut dyn Noise,
    options: &Options,
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Samples, SampleError> {
    let mut sampler = sampler(scheme, trajectory, options.tolerance)?;
    let start = torch_ext::fence(|| noise.start(trajectory.start()))??;
    run(denoiser, sampler.as_mut(), start, noise, options, progress)
}

/// The sampler of a scheme along a trajectory. `tolerance` is for methods that choose their own steps.
pub fn sampler(
    scheme: &Scheme,
    trajectory: &Trajectory,
    tolerance: Tolerance,
) -> Result<Box<dyn Sampler>, SampleError> {
    match scheme {
        Scheme::OdeRk45 => Ok(Box::new(AdaptiveOde::new(trajectory, tolerance)?)),
        _ => Ok(Box::new(LinearSampler::new(scheme.plan(trajectory)?))),
    }
}

/// The same with any sampler and any starting state.
pub fn run(
    denoiser: &dyn Denoiser,
    sampler: &mut dyn Sampler,
    start: Tensor,
    noise: &mut dyn Noise,
    options: &Options,
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Samples, SampleError> {
    options.threshold.check()?;
    let mut evaluator = Evaluator::new(denoiser, options.threshold);
    let mut samples = Samples { x: start, frames: Vec::new(), steps: 0, evaluations: 0, relative_size: 1.0 };
    sampler.begin();
    let steps = sampler.steps();
    let mut reached = Level::CLEAN;
    loop {
        let moved = torch_ext::fence(|| {
            // A guard, not a closure: it ends even where libtorch fails.
            let _guard = tch::no_grad_guard();
            sampler.step(&samples.x, &mut evaluator, noise)
        })??;
        let first = evaluator.take_first();
        let Some(Moved { from, to, x }) = moved else { break };
        if let (true, Some(x0)) = (options.record.keeps(samples.steps, steps), first) {
            let kept = (options.record.images as i64).min(x.size()[0]);
            let part = |tensor: &Tensor| tensor.narrow(0, 0, kept).copy();
            samples.frames.push(Frame {
                step: samples.steps,
                level: from,
                x_t: part(&samples.x),
                x0: part(&x0),
            });
        }
        samples.x = x;
        samples.steps += 1;
        reached = to;
        let go_on = progress(&Progress { step: samples.steps, steps, level: to });
        if go_on.is_break() && steps != Some(samples.steps) {
            return Err(SampleError::Interrupted { steps: samples.steps });
        }
    }
    samples.evaluations = evaluator.evaluations();
    // Within the run, the next evaluation finds what is not finite.
    if !torch_ext::fence(|| samples.x.sum(samples.x.kind()).double_value(&[]))?.is_finite() {
        return Err(SampleError::Diverged { level: describe(&reached) });
    }
    if let Some(x0) = evaluator.last() {
        let mean_square = |x: &Tensor| x.square().mean(tch::Kind::Double).double_value(&[]);
        let (got, predicted) = torch_ext::fence(|| (mean_square(&samples.x), mean_square(x0)))?;
        let (alpha, sigma) = (reached.alpha(), reached.sigma());
        let expected = alpha * alpha * predicted + sigma * sigma;
        if expected > 0.0 {
            samples.relative_size = (got / expected).sqrt();
        }
    }
    Ok(samples)
}

impl Record {
    /// Whether the state before `step` is one of the `frames` that are spread evenly over `steps`.
    fn keeps(self, step: usize, steps: Option<usize>) -> bool {
        let Some(steps) = steps else { return self.images > 0 && self.frames > 0 };
        let frames = self.frames.min(steps);
        // Frame k is the state before step floor(k steps / frames).
        self.images > 0 && (step * frames).div_ceil(steps) < ((step + 1) * frames).div_ceil(steps)
    }
}
