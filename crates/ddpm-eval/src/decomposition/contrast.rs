//! Sums over levels as statistics of images.

use super::{ErrorTable, LevelPlan};
use crate::EvalError;
use ddpm_core::decomposition::ReverseStep;
use ddpm_core::decomposition::curve::{ErrorCurve, error_integral, half_integral_weights, log_trapezoid};
use ddpm_core::interval::{CONFIDENCE, Difference, Estimate, Interval};

/// A curve of errors at all levels of a schedule, with the images behind it.
pub(super) struct Curve<'a> {
    plan: &'a LevelPlan,
    table: &'a ErrorTable,
    curve: ErrorCurve,
}

impl<'a> Curve<'a> {
    pub(super) fn new(plan: &'a LevelPlan, table: &'a ErrorTable) -> Result<Self, EvalError> {
        let curve = ErrorCurve::new(&plan.measured_levels(), &table.means())?;
        Ok(Curve { plan, table, curve })
    }

    /// The error at every level of the schedule.
    pub(super) fn at_all(&self) -> Vec<f64> {
        self.plan.all().iter().map(|level| self.curve.at(level)).collect()
    }

    /// sum_j w_j m(level_j) within each image, over all levels of the schedule.
    pub(super) fn sums(&self, weights: &[f64]) -> Vec<f64> {
        self.table.dot(&self.weights(weights))
    }

    /// The same weights by measured level.
    pub(super) fn weights(&self, weights: &[f64]) -> Vec<f64> {
        self.curve.sum_weights(self.plan.all(), weights)
    }
}

/// Weights by level of the schedule that make sums of curves.
pub(super) struct Functionals {
    /// sum c^2/(2v) m: errors in nats.
    pub(super) error: Vec<f64>,
    /// 1/2 of the integral of m over the visited range: information.
    pub(super) information: Vec<f64>,
    /// The same for a network's own error, by the rule that is exact for a part that does not fall with the noise.
    pub(super) continuum: Vec<f64>,
    /// sum m over the visited levels.
    pub(super) plain: Vec<f64>,
}

impl Functionals {
    pub(super) fn new(plan: &LevelPlan, steps: &[ReverseStep]) -> Self {
        let zeros = || vec![0.0; plan.all().len()];
        let (mut error, mut plain) = (zeros(), zeros());
        for (&position, step) in plan.visited().iter().zip(steps) {
            error[position] = step.error_weight();
        }
        for &position in plan.visited() {
            plain[position] = 1.0;
        }
        let (first, last) = (plan.visited()[0], plan.visited()[plan.visited().len() - 1]);
        let integral = |rule| {
            let mut weights = zeros();
            weights[first..=last].copy_from_slice(&half_integral_weights(&plan.all()[first..=last], rule));
            weights
        };
        Functionals {
            error,
            information: integral(log_trapezoid),
            continuum: integral(error_integral),
            plain,
        }
    }
}

/// A constant plus the means of independent samples of images.
#[derive(Clone, Default)]
pub(super) struct Statistic {
    constant: f64,
    samples: Vec<Vec<f64>>,
}

impl Statistic {
    pub(super) fn new(constant: f64) -> Self {
        Statistic { constant, samples: Vec::new() }
    }

    /// With the values of images, one an image, added to those of the same sample so far.
    pub(super) fn plus(mut self, sample: usize, factor: f64, values: &[f64]) -> Self {
        while self.samples.len() <= sample {
            self.samples.push(Vec::new());
        }
        let sums = &mut self.samples[sample];
        if sums.is_empty() {
            sums.resize(values.len(), 0.0);
        }
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += factor * value);
        self
    }

    /// Value, standard error and degrees of freedom: Student's for one sample, Welch's for two.
    pub(super) fn estimate(&self) -> Result<Difference, EvalError> {
        let used: Vec<&Vec<f64>> = self.samples.iter().filter(|sample| !sample.is_empty()).collect();
        let of = |values: &[f64], sign: f64| {
            Estimate::of(values.iter().map(move |value| sign * value).collect::<Vec<_>>().into_iter())
        };
        let joined = match used.as_slice() {
            [] => Difference { mean: 0.0, stderr: 0.0, degrees_of_freedom: 1.0 },
            [one] => {
                let estimate = of(one, 1.0)?;
                let degrees_of_freedom = estimate.n as f64 - 1.0;
                Difference { mean: estimate.mean, stderr: estimate.stderr, degrees_of_freedom }
            }
            [first, second, ..] => of(first, 1.0)?.minus_independent(&of(second, -1.0)?),
        };
        Ok(Difference { mean: joined.mean + self.constant, ..joined })
    }

    pub(super) fn interval(&self) -> Result<Interval, EvalError> {
        Ok(self.estimate()?.interval(CONFIDENCE))
    }
}
