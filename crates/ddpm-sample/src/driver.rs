//! The loop that walks a sampler down a list of levels.

use crate::error::describe;
use crate::{Evaluator, Noise, SampleError, Threshold};
use ddpm_core::Level;
use ddpm_nets::Denoiser;
use std::ops::ControlFlow;
use tch::Tensor;

/// A method that moves a batch from one noise level to a lower one.
///
/// A method with a memory keeps it in itself and forgets it in [`Sampler::begin`].
pub trait Sampler {
    /// Called before the first step of a batch.
    fn begin(&mut self) {}

    /// The state [n, ...] at level `s` from `x_t` [n, ...] at level `t`; `s` is less noisy than `t` and may be [`Level::CLEAN`].
    ///
    /// Runs inside `torch_ext::fence` and without gradients, so tensor operators may be used freely.
    fn step(
        &mut self,
        x_t: &Tensor,
        t: &Level,
        s: &Level,
        denoiser: &mut Evaluator<'_>,
        noise: &mut dyn Noise,
    ) -> Result<Tensor, SampleError>;
}

/// What [`sample`] does besides stepping.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Options {
    /// What happens to a predicted x_0 before it is used.
    pub threshold: Threshold,
    /// Which states to keep.
    pub record: Record,
    /// Stop at the last visited level, still noised, in place of the final step to data.
    pub stop_at_last_level: bool,
}

/// Which states of the trajectory are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Number of frames, evenly spaced over the steps; the first is the starting state. More than there are steps keeps all.
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

/// Where sampling stands, after each step.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Steps taken.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// The level that was reached.
    pub level: Level,
}

/// What came out.
#[derive(Debug)]
pub struct Samples {
    /// The samples [n, ...] in model space.
    pub x: Tensor,
    /// The recorded states, the noisiest first.
    pub frames: Vec<Frame>,
    /// Evaluations of the denoiser.
    pub evaluations: u64,
}

/// Samples one batch: from `noise`'s starting state down `levels` (the noisiest first, none of them data) and on to data.
///
/// `progress` is called after every step; breaking from it ends in [`SampleError::Interrupted`]. The number of steps is `levels.len()`, or
/// one less with [`Options::stop_at_last_level`].
pub fn sample(
    denoiser: &dyn Denoiser,
    sampler: &mut dyn Sampler,
    levels: &[Level],
    noise: &mut dyn Noise,
    options: &Options,
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Samples, SampleError> {
    check_levels(levels)?;
    options.threshold.check()?;
    let end = if options.stop_at_last_level { None } else { Some(Level::CLEAN) };
    let path: Vec<Level> = levels.iter().copied().chain(end).collect();
    let steps = path.len() - 1;
    let mut evaluator = Evaluator::new(denoiser, options.threshold);
    let mut frames = Vec::new();
    let mut x = torch_ext::fence(|| noise.start(&path[0]))??;
    sampler.begin();
    for (step, pair) in path.windows(2).enumerate() {
        let (t, s) = (pair[0], pair[1]);
        let x_s = torch_ext::fence(|| tch::no_grad(|| sampler.step(&x, &t, &s, &mut evaluator, noise)))??;
        let first = evaluator.take_first();
        if let (true, Some(x0)) = (options.record.keeps(step, steps), first) {
            let kept = (options.record.images as i64).min(x.size()[0]);
            let part = |tensor: &Tensor| tensor.narrow(0, 0, kept).copy();
            frames.push(Frame { step, level: t, x_t: part(&x), x0: part(&x0) });
        }
        x = x_s;
        let go_on = progress(&Progress { step: step + 1, steps, level: s });
        if go_on.is_break() && step + 1 < steps {
            return Err(SampleError::Interrupted { steps: step + 1 });
        }
    }
    Ok(Samples { x, frames, evaluations: evaluator.evaluations() })
}

impl Record {
    /// Whether the state before `step` is one of the `frames` that are spread evenly over `steps`.
    fn keeps(self, step: usize, steps: usize) -> bool {
        let frames = self.frames.min(steps);
        // Frame k is the state before step floor(k steps / frames).
        self.images > 0 && (step * frames).div_ceil(steps) < ((step + 1) * frames).div_ceil(steps)
    }
}

fn check_levels(levels: &[Level]) -> Result<(), SampleError> {
    let bad = |got: String| SampleError::Levels {
        expected: "at least one noised level, each less noisy than the one before",
        got,
    };
    if levels.is_empty() {
        return Err(bad("none".to_string()));
    }
    if let Some(level) = levels.iter().find(|level| level.is_clean()) {
        return Err(bad(describe(level)));
    }
    match levels.windows(2).find(|pair| pair[1].log_snr() <= pair[0].log_snr()) {
        Some(pair) => Err(bad(format!("{} after {}", describe(&pair[1]), describe(&pair[0])))),
        None => Ok(()),
    }
}
