//! The probability-flow ODE by Dormand & Prince's 5(4) pair with step-size control (Hairer, Norsett & Wanner 1993, sec. II.4).
//!
//! The local error is the maximum over the images of rms(error_i / (atol + rtol max(|x_i|, |x'_i|))). All images of a batch share the steps,
//! so an image depends on its batch within the tolerance.

use crate::error::describe;
use crate::linear_sampler::combine;
use crate::step_control::{StepControl, Verdict, scaled_error};
use crate::{Evaluator, Moved, Noise, SampleError, Sampler, Tolerance};
use ddpm_core::Trajectory;
use ddpm_core::scheme::{Tableau, runge_kutta};
use ddpm_core::{Level, Process};
use std::collections::VecDeque;
use tch::Tensor;

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
    /// Lengths of the steps, in the process's time.
    control: StepControl,
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
        let control = StepControl::new(process.time_of(&start)? - process.time_of(&lowest)?);
        Ok(AdaptiveOde { process, start, lowest, decode, tolerance, at: start, control, answer: None })
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
            Some(weights) => {
                let error = combine(weights, x, &answers, &[]);
                scaled_error(&error, x, &moved, &self.tolerance).max().double_value(&[])
            }
            None => 0.0,
        };
        Ok((moved, error, answers.pop_front()))
    }
}

impl Sampler for AdaptiveOde {
    fn begin(&mut self) {
        self.at = self.start;
        self.answer = None;
        self.control.restart();
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
        let (now, end) = (self.process.time_of(&from)?, self.process.time_of(&self.lowest)?);
        loop {
            let (length, last) = self.control.length(now - end);
            let to = if last { self.lowest } else { self.process.level(now - length)? };
            let (x, error, answer) = self.attempt(x_t, &to, denoiser)?;
            match self.control.judge(length, error) {
                Verdict::Accepted => {
                    (self.at, self.answer) = (to, answer);
                    return Ok(Some(Moved { from, to, x }));
                }
                Verdict::Repeat => {}
                Verdict::TooSmall => {
                    return Err(SampleError::Tolerance { what: "ode-rk45", level: describe(&from) });
                }
            }
        }
    }
}
