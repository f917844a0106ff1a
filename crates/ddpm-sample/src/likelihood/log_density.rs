//! Log densities by integrating the probability-flow ODE from data to noise.
//!
//! In y = x_t / alpha and u = log(sigma / alpha) the flow of every process is the same, and so is the change of the log density along it:
//!
//! ```text
//! dy/du = y - D(x_t)        d log p(y)/du = -(d - tr dD/dy)
//! ```
//!
//! The integral depends on the process through the ends of u alone. It is solved by Dormand & Prince's 5(4) pair with step-size control of the
//! state and of the log density a component.

use super::trace::Trace;
use crate::error::describe;
use crate::step_control::{StepControl, Verdict, scaled_error};
use crate::{SampleError, Tolerance};
use ddpm_core::scheme::Tableau;
use ddpm_core::{CoreError, Level, Noising, Process};
use ddpm_nets::Denoiser;
use std::f64::consts::TAU;
use std::ops::ControlFlow;
use tch::{Kind, Tensor};

/// Log densities of a batch.
#[derive(Debug)]
pub struct LogDensity {
    /// log p(x_0) in nats, `[n, k]` f64: a column a probe, one column for exact traces. The mean of a row is unbiased if the denoiser's
    /// Jacobian is that of a flow.
    pub nats: Tensor,
    /// Evaluations of the denoiser.
    pub evaluations: u64,
}

/// The log density that sampling by the exact probability-flow ODE from the process's prior gives to each row of `x0` [n, ...].
///
/// The flow ends at the least noise of `noising`, where its samples are x_t / alpha: the density is that of data with this remaining noise.
/// The predicted x_0 is not thresholded. The arithmetic is of `x0`'s kind; `progress` receives the share of the span that is done.
pub fn log_density(
    denoiser: &dyn Denoiser,
    noising: &Noising,
    x0: &Tensor,
    trace: Trace<'_>,
    tolerance: &Tolerance,
    progress: &mut dyn FnMut(f64) -> ControlFlow<()>,
) -> Result<LogDensity, SampleError> {
    tolerance.check()?;
    let flow = Flow::new(denoiser, noising, trace)?;
    let (rows, dim) = (x0.size()[0], x0.numel() as f64 / x0.size()[0] as f64);
    let start = State {
        y: x0.detach(),
        density: Tensor::zeros([rows, trace.columns()], (Kind::Double, x0.device())),
    };
    let (state, evaluations) = flow.integrate(start, dim, tolerance, progress)?;
    let scale = flow.high.1.prior_std() / flow.high.1.alpha();
    let nats = torch_ext::fence(|| {
        let squares = (state.y.to_kind(Kind::Double) / scale).square().reshape([rows, -1]);
        let squares = squares.sum_dim_intlist([1i64].as_slice(), true, Kind::Double);
        let prior = squares * -0.5 - dim * (0.5 * TAU.ln() + scale.ln());
        (prior + state.density * dim).to_device(tch::Device::Cpu)
    })?;
    let finite = torch_ext::fence(|| nats.isfinite().all().int64_value(&[]) == 1)?;
    if !finite {
        return Err(SampleError::NotFinite { level: describe(&flow.high.1) });
    }
    Ok(LogDensity { nats, evaluations })
}

/// A point of the flow: y [n, ...], and the integral of (d - tr dD/dy)/d, `[n, k]` f64.
struct State {
    y: Tensor,
    density: Tensor,
}

impl State {
    /// This state plus `length` times the weighted sum of slopes.
    fn plus(&self, length: f64, weights: &[f64], slopes: &[State]) -> State {
        let sum = |part: fn(&State) -> &Tensor| {
            let terms = slopes.iter().zip(weights).filter(|(_, weight)| **weight != 0.0);
            terms.fold(part(self).shallow_clone(), |sum, (slope, weight)| {
                sum + part(slope) * (length * weight)
            })
        };
        State { y: sum(|state| &state.y), density: sum(|state| &state.density) }
    }

    fn zeros_like(&self) -> State {
        State { y: self.y.zeros_like(), density: self.density.zeros_like() }
    }

    fn share(&self) -> State {
        State { y: self.y.shallow_clone(), density: self.density.shallow_clone() }
    }
}

/// The flow of a denoiser between the ends of u.
struct Flow<'a> {
    denoiser: &'a dyn Denoiser,
    process: Process,
    trace: Trace<'a>,
    /// u and level of the least noise.
    low: (f64, Level),
    /// u and level of the most noise.
    high: (f64, Level),
}

impl<'a> Flow<'a> {
    fn new(denoiser: &'a dyn Denoiser, noising: &Noising, trace: Trace<'a>) -> Result<Self, SampleError> {
        let process = match noising {
            Noising::Discrete(schedule) => Process::from_schedule(schedule)?,
            Noising::Continuous { process, .. } => process.clone(),
        };
        let (least, most) = noising.ends()?;
        if least.is_clean() {
            let text = "a likelihood needs noise at its lowest level: give a smallest time (t-min) above 0";
            return Err(CoreError::Unsupported(text.into()).into());
        }
        let at = |level: Level| (-0.5 * level.log_snr(), level);
        Ok(Flow { denoiser, process, trace, low: at(least), high: at(most) })
    }

    fn level(&self, u: f64) -> Result<Level, SampleError> {
        for (end, level) in [self.low, self.high] {
            if u == end {
                return Ok(level);
            }
        }
        Ok(self.process.level_at_log_snr(-2.0 * u)?)
    }

    /// The slopes at (y, u).
    fn slope(&self, y: &Tensor, u: f64, dim: f64) -> Result<State, SampleError> {
        let level = self.level(u)?;
        let alpha = level.alpha();
        let x_t = torch_ext::fence(|| y * alpha)?;
        let (x0, trace) = self.trace.of(self.denoiser, &x_t, &level)?;
        // dD/dy = alpha dD/dx_t.
        let slope = torch_ext::fence(|| State { y: y - x0, density: trace * (-alpha / dim) + 1.0 })?;
        let finite = torch_ext::fence(|| slope.y.sum(Kind::Double) + slope.density.sum(Kind::Double))?;
        if !finite.double_value(&[]).is_finite() {
            return Err(SampleError::NotFinite { level: describe(&level) });
        }
        Ok(slope)
    }

    /// The state at the most noise, and the evaluations that it took.
    fn integrate(
        &self,
        mut state: State,
        dim: f64,
        tolerance: &Tolerance,
        progress: &mut dyn FnMut(f64) -> ControlFlow<()>,
    ) -> Result<(State, u64), SampleError> {
        let tableau = Tableau::DORMAND_PRINCE;
        let (begin, end) = (self.low.0, self.high.0);
        let mut control = StepControl::new(end - begin);
        let (mut u, mut evaluations, mut steps) = (begin, 1, 0);
        let mut first = self.slope(&state.y, u, dim)?;
        while u < end {
            let (length, last) = control.length(end - u);
            let mut slopes = vec![first.share()];
            for (&node, weights) in tableau.nodes().iter().zip(tableau.stages()).skip(1) {
                let to = if node == 1.0 && last { end } else { u + node * length };
                let stage = torch_ext::fence(|| state.plus(length, weights, &slopes))?;
                slopes.push(self.slope(&stage.y, to, dim)?);
                evaluations += 1;
            }
            let (moved, error) = torch_ext::fence(|| {
                let moved = state.plus(length, tableau.weights(), &slopes);
                let error = state.zeros_like().plus(length, tableau.error().unwrap_or_default(), &slopes);
                let worst = |error: &Tensor, from: &Tensor, to: &Tensor| {
                    scaled_error(error, from, to, tolerance).max().double_value(&[])
                };
                let of_state = worst(&error.y, &state.y, &moved.y);
                (of_state.max(worst(&error.density, &state.density, &moved.density)), moved)
            })
            .map(|(error, moved)| (moved, error))?;
            match control.judge(length, error) {
                Verdict::Accepted => {
                    state = moved;
                    u = if last { end } else { u + length };
                    // The last stage of the pair lies at the result.
                    if let Some(slope) = slopes.pop() {
                        first = slope;
                    }
                    steps += 1;
                    if progress((u - begin) / (end - begin)).is_break() {
                        return Err(SampleError::Interrupted { steps });
                    }
                }
                Verdict::Repeat => {}
                Verdict::TooSmall => {
                    let level = describe(&self.level(u)?);
                    return Err(SampleError::Tolerance { what: "the likelihood", level });
                }
            }
        }
        Ok((state, evaluations))
    }
}
