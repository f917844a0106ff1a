//! Step-size control of adaptive methods (Hairer, Norsett & Wanner 1993, sec. II.4): the next step is the one whose error would just meet the
//! tolerance if the error fell with the fifth power of the step.

use crate::SampleError;
use ddpm_core::Mismatch;
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

/// The lengths of the steps through a span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepControl {
    span: f64,
    /// Length of the step to try next.
    next: f64,
}

/// What becomes of a step that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its error is within the tolerance.
    Accepted,
    /// A shorter one is to be tried.
    Repeat,
    /// It cannot be shortened any further.
    TooSmall,
}

impl StepControl {
    pub(crate) fn new(span: f64) -> Self {
        StepControl { span, next: FIRST_STEP * span }
    }

    /// Forgets what earlier steps taught, so that a batch does not depend on the one before.
    pub(crate) fn restart(&mut self) {
        self.next = FIRST_STEP * self.span;
    }

    /// The length of the next step where `rest` is left, and whether it is the last. A step that would end just before the end goes there at
    /// once.
    pub(crate) fn length(&self, rest: f64) -> (f64, bool) {
        let last = rest - 1.01 * self.next <= 0.0;
        (if last { rest } else { self.next }, last)
    }

    /// Chooses the step after one of this length, whose scaled error is 1 where it just meets the tolerance.
    pub(crate) fn judge(&mut self, length: f64, error: f64) -> Verdict {
        let (least, most) = STEP_CHANGE;
        self.next = length * (SAFETY * error.powf(-1.0 / ERROR_ORDER)).clamp(least, most);
        if error <= 1.0 {
            Verdict::Accepted
        } else if self.next < SMALLEST_STEP * self.span {
            Verdict::TooSmall
        } else {
            Verdict::Repeat
        }
    }
}

/// The scaled error of each row `[n]`, 1 where it just meets the tolerance: the root of the mean over the components of
/// (error / (atol + rtol max(|x|, |moved|)))^2.
pub(crate) fn scaled_error(error: &Tensor, x: &Tensor, moved: &Tensor, tolerance: &Tolerance) -> Tensor {
    let scale = x.abs().maximum(&moved.abs()) * tolerance.relative + tolerance.absolute;
    let squares = (error / scale).square().reshape([x.size()[0], -1]);
    squares.mean_dim(1, false, squares.kind()).sqrt()
}
