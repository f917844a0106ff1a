//! The probability-flow ODE by Dormand & Prince's 5(4) pair with step-size control (Hairer, Norsett & Wanner 1993, sec. II.4).
//!
//! The local error is the maximum over the images of rms(error_i / (atol + rtol max(|x_i|, |x'_i|))). All images of a batch share the steps,
//! so an image depends on its batch within the tolerance.

use crate::error::describe;
use crate::linear_sampler::combine;
use crate::{Evaluator, Moved, Noise, SampleError, Sampler};
use ddpm_core::Trajectory;
use ddpm_core::scheme::{Tableau, runge_kutta};
use ddpm_core::{Level, Mismatch, Process};
use std::collections::VecDeque;
use tch::Tensor;

/// Error allowed in one step of an adaptive method, in units of the data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Relative to the state.
    pub relative: f64,
    /// Absolute.
    pub absolute: f64,
}

impl Default for Tolerance {
    /// Song et al. (2021) sample with 1e-5 for both.
    fn default() -> Self {
        Tolerance { relative: 1e-5, absolute: 1e-5 }
    }
}

impl Tolerance {
    /// Both must be positive: f32 cannot meet 0.
    pub fn check(&self) -> Result<(), SampleError> {
        for (name, got) in [("rtol", self.relative), ("atol", self.absolute)] {
            if !(got > 0.0 && got.is_finite()) {
                return Err(SampleError::Setting(Mismatch::new(name, "positive", got)));
            }
        }
        Ok(())
    }
}

/// Share of the whole span that the first step tries; the controller corrects it at once.
const FIRST_STEP: f64 = 0.02;
/// Below this share of the span a step counts as a failure to meet the tolerance.
const SMALLEST_STEP: f64 = 1e-9;
/// The next step aims below the tolerance by this factor, so that few steps are rejected.
const SAFETY: f64 = 0.9;
/// A step may shrink or grow by these factors at most.
const STEP_CHANGE: (f64, f64) = (0.2, 5.0);
/// The local error falls with this power of the step.
const ERROR_ORDER: f64 = 5.0;

/// The adaptive sampler `ode-rk45`: from the trajectory's first level to its last noised one, whatever lies between, and then to data if the
/// trajectory ends there.
#[derive(Debug)]
pub struct AdaptiveOde {
    process: Process,
    start: Level,
    /// The last noised level.
    lowest: Level,
    /// Whether data follow after it.
    decode: bool,
    tolerance: Tolerance,
    /// The level of the state.
    at: Level,
    /// Length of the step to try next, in the process's time.
    next_step: f64,
    /// D at `at`, the last evaluation of the accepted step.
    answer: Option<Tensor>,
}

impl AdaptiveOde {
    /// Fails for a trajectory without a process, or with a single noised level.
    pub fn new(trajectory: &Trajectory, tolerance: Tolerance) -> Result<Self, SampleError> {
        tolerance.check()?;
        let process = trajectory.process("ode-rk45")?.clone();
        let start = *trajectory.start();
        let lowest =
            trajectory.levels().iter().rev().find(|level| !level.is_clean()).copied().unwrap_or(start);
        let decode = trajectory.end().is_clean();
        let mut sampler = AdaptiveOde {
            process,
            start,
            lowest,
            decode,
            tolerance,
            at: start,
            next_step: 0.0,
            answer: None,
        };
        sampler.next_step = FIRST_STEP * sampler.span()?;
        Ok(sampler)
    }

    fn span(&self) -> Result<f64, SampleError> {
        Ok(self.process.time_of(&self.start)? - self.process.time_of(&self.lowest)?)
    }

    /// One attempt to reach `to`: the new state, its error on the scale where 1 is allowed, and D there.
    fn attempt(
        &self,
        x: &Tensor,
        to: &Level,
        denoiser: &mut Evaluator<'_>,
    ) -> Result<(Tensor, f64, Option<Tensor>), SampleError> {
        let step = runge_kutta(&self.process, &self.at, to, &Tableau::DORMAND_PRINCE)?;
        let mut answers = VecDeque::new();
        for (index, stage) in step.stages.iter().enumerate() {
            let known = if index == 0 { self.answer.as_ref().map(Tensor::shallow_clone) } else { None };
            let answer = match known {
                Some(answer) => answer,
                None => denoiser.x0(&combine(&stage.state, x, &answers, &[]), &stage.level)?,
            };
            answers.push_front(answer);
        }
        let moved = combine(&step.output, x, &answers, &[]);
        let error = match &step.error {
            Some(weights) => self.scaled_error(&combine(weights, x, &answers, &[]), x, &moved),
            None => 0.0,
        };
        Ok((moved, error, answers.pop_front()))
    }

    /// The largest scaled error of an image, 1 where it just meets the tolerance.
    fn scaled_error(&self, error: &Tensor, x: &Tensor, moved: &Tensor) -> f64 {
        let scale = x.abs().maximum(&moved.abs()) * self.tolerance.relative + self.tolerance.absolute;
        let squares = (error / scale).square().reshape([x.size()[0], -1]);
        squares.mean_dim(1, false, squares.kind()).max().double_value(&[]).sqrt()
    }
}

impl Sampler for AdaptiveOde {
    fn begin(&mut self) {
        self.at = self.start;
        self.answer = None;
    }

    fn steps(&self) -> Option<usize> {
        None
    }

    fn step(
        &mut self,
        x_t: &Tensor,
        denoiser: &mut Evaluator<'_>,
        _: &mut dyn Noise,
    ) -> Result<Option<Moved>, SampleError> {
        let from = self.at;
        if from.is_clean() || (from == self.lowest && !self.decode) {
            return Ok(None);
        }
        if from == self.lowest {
            self.at = Level::CLEAN;
            let x = match self.answer.take() {
                Some(answer) => answer,
                None => denoiser.x0(x_t, &from)?,
            };
            return Ok(Some(Moved { from, to: Level::CLEAN, x }));
        }
        let (now, end, span) =
            (self.process.time_of(&from)?, self.process.time_of(&self.lowest)?, self.span()?);
        loop {
            // A step that would end just above the lowest level goes there at once.
            let last = now - 1.01 * self.next_step <= end;
            let length = if last { now - end } else { self.next_step };
            let to = if last { self.lowest } else { self.process.level(now - length)? };
            let (x, error, answer) = self.attempt(x_t, &to, denoiser)?;
            let (least, most) = STEP_CHANGE;
            self.next_step = length * (SAFETY * error.powf(-1.0 / ERROR_ORDER)).clamp(least, most);
            if error <= 1.0 {
                (self.at, self.answer) = (to, answer);
                return Ok(Some(Moved { from, to, x }));
            }
            if self.next_step < SMALLEST_STEP * span {
                return Err(SampleError::Tolerance { level: describe(&from) });
            }
        }
    }
}
