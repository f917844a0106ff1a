//! What every part of the decomposition is computed from: the steps, the weights of the levels, and the curves of each split.

use crate::measurement::{EmpiricalErrors, ErrorTable, LevelCurve, LevelPlan, SplitErrors};
use crate::{EvalError, MeasuredErrors, NetworkStudy, Spectrum};
use ddpm_core::Level;
use ddpm_core::decomposition::curve::{
    ErrorCurve, error_integral, half_integral_weights, log_trapezoid, quadrature_error,
};
use ddpm_core::decomposition::{ReverseStep, gaussian_initialization, reverse_steps};
use ddpm_data::Split;

pub(super) struct Context<'a> {
    pub(super) study: &'a NetworkStudy<'a>,
    pub(super) measured: &'a MeasuredErrors,
    pub(super) spectrum: &'a Spectrum,
    pub(super) steps: Vec<ReverseStep>,
    pub(super) weights: LevelWeights,
    /// sum d/2 [log(v/post) + post/v - 1].
    pub(super) mismatch: f64,
    /// Lower end of the initialization bracket.
    pub(super) init: f64,
    pub(super) train: SplitCurves<'a>,
    pub(super) held_out: Option<SplitCurves<'a>>,
}

/// The errors of one split as functions of the level.
pub(super) struct SplitCurves<'a> {
    pub(super) errors: &'a SplitErrors,
    pub(super) empirical_errors: &'a EmpiricalErrors,
    pub(super) network: LevelCurve<'a>,
    pub(super) empirical: LevelCurve<'a>,
    pub(super) reference: Option<LevelCurve<'a>>,
}

/// Weights by level of the schedule, the noisiest first: sums over levels of a curve m with these weights.
pub(super) struct LevelWeights {
    /// sum c^2/(2v) m: errors in nats.
    pub(super) error: Vec<f64>,
    /// 1/2 of the integral of m over the visited range: information.
    pub(super) information: Vec<f64>,
    /// The same for a network's own error, by the rule that is exact for a part that does not fall with the noise.
    pub(super) continuum: Vec<f64>,
}

impl<'a> Context<'a> {
    pub(super) fn new(
        study: &'a NetworkStudy<'a>,
        measured: &'a MeasuredErrors,
        spectrum: &'a Spectrum,
    ) -> Result<Self, EvalError> {
        let plan = &measured.plan;
        let visited = plan.visited_levels();
        if visited.len() < 2 {
            return Err(EvalError::mismatch("visited levels", "at least 2", visited.len()));
        }
        let train = measured
            .split(Split::Train)
            .ok_or_else(|| EvalError::mismatch("measured images", "training images", "none"))?;
        let fitted = measured
            .fit
            .as_ref()
            .map(|fit| -> Result<Vec<f64>, EvalError> {
                let curve = ErrorCurve::new(&plan.measured_levels(), &fit.mse)?;
                Ok(visited.iter().map(|level| curve.at(level) / measured.dim as f64).collect())
            })
            .transpose()?;
        let steps = reverse_steps(&visited, study.variance, fitted.as_deref())?;
        let mean_squared = spectrum.mean.iter().map(|m| m * m).sum();
        Ok(Context {
            study,
            measured,
            spectrum,
            weights: LevelWeights::new(plan, &steps),
            mismatch: steps.iter().map(|step| measured.dim as f64 * step.variance_mismatch()).sum(),
            init: gaussian_initialization(mean_squared, &spectrum.eigenvalues, &visited[0]),
            train: SplitCurves::new(plan, train)?,
            held_out: measured
                .split(Split::HeldOut)
                .map(|errors| SplitCurves::new(plan, errors))
                .transpose()?,
            steps,
        })
    }

    pub(super) fn plan(&self) -> &'a LevelPlan {
        &self.measured.plan
    }

    /// A curve over all levels at the visited ones.
    pub(super) fn at_visited(&self, curve: &[f64]) -> Vec<f64> {
        self.plan().visited().iter().map(|&position| curve[position]).collect()
    }

    /// The quadrature error of a curve over the visited range, from the levels at which it was measured; by level of the schedule.
    pub(super) fn quadrature_error(&self, curve: &[f64]) -> Result<f64, EvalError> {
        let (plan, visited) = (self.plan(), self.plan().visited());
        let range = visited[0]..=visited[visited.len() - 1];
        let measured = plan.measured().iter().filter(|p| range.contains(p));
        let (levels, values): (Vec<Level>, Vec<f64>) = measured.map(|&p| (plan.all()[p], curve[p])).unzip();
        Ok(quadrature_error(&levels, &values)?)
    }
}

impl<'a> SplitCurves<'a> {
    fn new(plan: &'a LevelPlan, errors: &'a SplitErrors) -> Result<Self, EvalError> {
        let curve = |table: &'a ErrorTable| LevelCurve::new(plan, table);
        let empirical_errors = errors.empirical.as_ref().ok_or_else(|| {
            EvalError::mismatch(
                "eval.training_floor",
                "true: the decomposition needs the empirical denoiser",
                false,
            )
        })?;
        Ok(SplitCurves {
            errors,
            empirical_errors,
            network: curve(&errors.network)?,
            empirical: curve(&empirical_errors.error)?,
            reference: errors.reference.as_ref().map(curve).transpose()?,
        })
    }

    pub(super) fn split(&self) -> Split {
        self.errors.split
    }
}

impl LevelWeights {
    fn new(plan: &LevelPlan, steps: &[ReverseStep]) -> Self {
        let zeros = || vec![0.0; plan.all().len()];
        let mut error = zeros();
        for (&position, step) in plan.visited().iter().zip(steps) {
            error[position] = step.error_weight();
        }
        let (first, last) = (plan.visited()[0], plan.visited()[plan.visited().len() - 1]);
        let integral = |rule| {
            let mut weights = zeros();
            weights[first..=last].copy_from_slice(&half_integral_weights(&plan.all()[first..=last], rule));
            weights
        };
        LevelWeights { error, information: integral(log_trapezoid), continuum: integral(error_integral) }
    }
}
