//! The power laws that the sweep measures: what is varied, the quantity that is read, and the exponent that theory expects.

use crate::cell::Cell;
use crate::closed_form_target::{NamedTarget, TargetName};
use crate::outcome::Outcome;
use crate::plan::{
    BOTH_ENDS, NamedSampler, Plan, VARIANCES, all_levels, ornstein_uhlenbeck, samplers, thinned, vp,
    wasserstein,
};
use crate::sweep::Results;
use anyhow::Result;
use ddpm_core::decomposition::Estimate;
use ddpm_core::power_law::{Point, PowerLaw};
use ddpm_core::{ExpectedExponent, Grid, ScheduleKind, Scheme, Target, Variance};
use serde::Serialize;

/// A measured exponent agrees with theory within this, or within two of its standard errors.
pub(super) const TOLERANCE: f64 = 0.15;
/// Time of the process at which divergences stop while the number of steps varies.
pub(super) const DIVERGENCE_STOP: f64 = 1e-3;
/// The same for the orders of samplers.
pub(super) const ORDER_STOP: f64 = 0.05;

/// Errors below this share of the data's spread are rounding.
const ROUNDING: f64 = 1e-12;
/// The square of the least noise of a linear schedule of 1000 levels: directions with less variance are not resolved.
const NARROW: f64 = 1e-4;
/// Errors of the denoiser.
const PERTURBATIONS: [f64; 4] = [0.0125, 0.025, 0.05, 0.1];
/// Lengths of the Ornstein-Uhlenbeck process: alpha_bar = e^-horizon at the start of sampling.
const HORIZONS: [f64; 5] = [4.0, 5.0, 6.0, 7.0, 8.0];
/// Times of the variance-preserving process at which sampling stops.
const STOPS: [f64; 4] = [3e-3, 1e-3, 3e-4, 1e-4];
/// Estimated terms are not followed to longer schedules than this.
const LONGEST_ESTIMATED: usize = 2000;

/// The table that lists a law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// Discretization by the length of a linear schedule.
    Lengths,
    /// Discretization by the number of steps along the continuous process.
    Process,
    /// Training, initialization and truncation.
    Others,
    /// Orders of samplers in W2.
    Samplers,
}

/// Reads a quantity of a result, and the value that it is plotted against where the result has it.
type Read = fn(&Outcome) -> Result<(Option<f64>, Estimate)>;

/// A quantity at several values of what is varied.
pub(super) struct ScalingLaw {
    group: Group,
    quantity: String,
    target: TargetName,
    theory: ExpectedExponent,
    read: Read,
    /// The varied value and the cell.
    points: Vec<(f64, Cell)>,
}

/// A law with its fit.
#[derive(Debug, Serialize)]
pub(super) struct MeasuredLaw {
    pub(super) quantity: String,
    pub(super) target: TargetName,
    pub(super) theory: ExpectedExponent,
    #[serde(flatten)]
    pub(super) fit: PowerLaw,
    pub(super) agrees: Option<bool>,
    #[serde(skip)]
    pub(super) group: Group,
    /// The varied value, the quantity and its standard error.
    pub(super) points: Vec<[f64; 3]>,
}

impl ScalingLaw {
    fn new(
        group: Group,
        quantity: &str,
        target: &NamedTarget,
        theory: ExpectedExponent,
        read: Read,
        points: impl IntoIterator<Item = (f64, Cell)>,
    ) -> Self {
        let points = points.into_iter().collect();
        ScalingLaw { group, quantity: quantity.to_owned(), target: target.name, theory, read, points }
    }

    /// The cells of all points.
    pub(super) fn cells(self) -> impl Iterator<Item = Cell> {
        self.points.into_iter().map(|(_, cell)| cell)
    }

    /// The fit to the points that are above rounding; none with fewer than three of them. `spread` is that of the target.
    ///
    /// Theory is compared with the slope over all points where they are estimated, and with that of the last two where they are exact.
    fn measure(self, results: &Results, spread: f64) -> Result<Option<MeasuredLaw>> {
        let mut points = Vec::new();
        for (varied, cell) in &self.points {
            let (x, Estimate { value: y, stderr }) = (self.read)(results.get(cell)?)?;
            if y > ROUNDING * spread {
                points.push(Point { x: x.unwrap_or(*varied), y, stderr });
            }
        }
        if points.len() < 3 {
            return Ok(None);
        }
        let fit = PowerLaw::fit(&points)?;
        let estimated = points.iter().any(|point| point.stderr > 0.0);
        let exponent = if estimated { fit.exponent } else { fit.last_exponent };
        let slack = if estimated { TOLERANCE.max(2.0 * fit.stderr) } else { TOLERANCE };
        Ok(Some(MeasuredLaw {
            quantity: self.quantity,
            target: self.target,
            theory: self.theory,
            agrees: self.theory.agrees(exponent, slack),
            fit,
            group: self.group,
            points: points.iter().map(|point| [point.x, point.y, point.stderr]).collect(),
        }))
    }
}

/// Measures all laws of a plan.
pub(super) fn measure(plan: &Plan, results: &Results) -> Result<Vec<MeasuredLaw>> {
    let mut measured = Vec::new();
    for law in laws(plan) {
        let spread = plan.target(law.target).map_or(1.0, NamedTarget::spread);
        measured.extend(law.measure(results, spread)?);
    }
    Ok(measured)
}

/// All laws of a plan.
pub(super) fn laws(plan: &Plan) -> Vec<ScalingLaw> {
    let mut laws: Vec<ScalingLaw> = plan.targets.iter().flat_map(|target| lengths(plan, target)).collect();
    for target in plan.exact() {
        laws.extend(process_steps(plan, target));
        laws.extend(other_terms(plan, target));
    }
    laws.extend(plan.gaussians().into_iter().map(truncation));
    if let Some(target) = plan.target(TargetName::Gaussian2d) {
        laws.extend(samplers().into_iter().filter_map(|sampler| order(plan, target, sampler)));
    }
    laws
}

fn discretization(outcome: &Outcome) -> Result<(Option<f64>, Estimate)> {
    Ok((None, outcome.divergence()?.discretization))
}

/// Discretization of linear schedules of T levels, all visited.
fn lengths(plan: &Plan, target: &NamedTarget) -> Vec<ScalingLaw> {
    let law = |variance: Variance| {
        let theory = match ExpectedExponent::of_discretization(variance) {
            // Below the least noise a narrow direction counts as a point, whose steps only fixed-small has exactly.
            ExpectedExponent::Is(_) if is_narrow(target) => ExpectedExponent::Between(-1.0, 0.0),
            theory => theory,
        };
        let lengths = plan.effort.lengths.iter().filter(|&&t| target.is_exact() || t <= LONGEST_ESTIMATED);
        let points = lengths.map(|&t| (t as f64, plan.divergence(target, all_levels(t), variance, 0.0)));
        ScalingLaw::new(Group::Lengths, variance.name(), target, theory, discretization, points)
    };
    VARIANCES.map(law).into()
}

/// Discretization of N steps along the continuous process, evenly spaced in log-SNR: the noise ratios of all steps shrink.
fn process_steps(plan: &Plan, target: &NamedTarget) -> Vec<ScalingLaw> {
    let law = |variance: Variance| {
        let cell = |n| plan.divergence(target, vp(Grid::LogSnr, n, DIVERGENCE_STOP), variance, 0.0);
        let points = plan.effort.orders.iter().map(|&n| (n as f64, cell(n)));
        let theory = ExpectedExponent::Is(-1.0);
        ScalingLaw::new(Group::Process, variance.name(), target, theory, discretization, points)
    };
    VARIANCES.map(law).into()
}

/// Training by the error of the denoiser, initialization by alpha_bar, the truncation bound by the least noise.
fn other_terms(plan: &Plan, target: &NamedTarget) -> [ScalingLaw; 3] {
    let divergence = |levels, error| plan.divergence(target, levels, Variance::FixedLarge, error);
    let law = |quantity, exponent, read: Read, points: Vec<(f64, Cell)>| {
        ScalingLaw::new(Group::Others, quantity, target, ExpectedExponent::Is(exponent), read, points)
    };
    let errors =
        PERTURBATIONS.map(|error| (error, divergence(thinned(ScheduleKind::Linear, BOTH_ENDS, 50), error)));
    let starts = HORIZONS
        .map(|horizon| (horizon, divergence(ornstein_uhlenbeck(horizon, Grid::Linspace, 2, 0.01), 0.0)));
    let stops = STOPS.map(|stop| (stop, divergence(vp(Grid::LogSnr, 2, stop), 0.0)));
    // The mean enters linearly in alpha_bar, everything else quadratically.
    let centred = target.law.mean().iter().all(|m| *m == 0.0);
    let (initialization, exponent) = if centred {
        ("initialization of centred data, by ᾱ at the start", 2.0)
    } else {
        ("initialization, by ᾱ at the start", 1.0)
    };
    [
        law(
            "training, by the denoiser’s error",
            2.0,
            |outcome| Ok((None, outcome.divergence()?.training)),
            errors.into(),
        ),
        law(
            initialization,
            exponent,
            |outcome| outcome.divergence().map(|terms| (Some(terms.last_alpha_bar), terms.init)),
            starts.into(),
        ),
        law(
            "truncation bound, by the least noise σ/α",
            1.0,
            |outcome| {
                let terms = outcome.divergence()?;
                Ok((Some(terms.least_noise), Estimate::exact(terms.truncation_w2_bound)))
            },
            stops.into(),
        ),
    ]
}

/// Whether the data have directions with hardly any spread, such as pixels that never change.
fn is_narrow(target: &NamedTarget) -> bool {
    match &target.law {
        Target::Gaussian(law) => law.covariance().eigenvalues().iter().any(|l| *l < NARROW),
        _ => false,
    }
}

/// W2 of truncation alone: sqrt(l + sigma^2) - sqrt(l) is quadratic in sigma, but linear where the variance l is 0.
fn truncation(target: &NamedTarget) -> ScalingLaw {
    let theory =
        if is_narrow(target) { ExpectedExponent::Between(1.0, 2.0) } else { ExpectedExponent::Is(2.0) };
    let points = STOPS.map(|stop| (stop, wasserstein(target, vp(Grid::LogSnr, 2, stop), Scheme::Ei)));
    let read: Read = |outcome| {
        let distances = outcome.w2()?;
        Ok((Some(distances.least_noise), Estimate::exact(distances.errors.continuous_from_marginal)))
    };
    ScalingLaw::new(Group::Others, "W2 of truncation, by the least noise σ/α", target, theory, read, points)
}

/// The discretization of a sampler in W2, from the true law at the start to the law at the end. None for samplers without a known order:
/// correctors, for one, relax towards the law of each level by a fixed amount.
fn order(plan: &Plan, target: &NamedTarget, sampler: NamedSampler) -> Option<ScalingLaw> {
    if matches!(sampler.scheme, Scheme::PredictorCorrector { .. }) || sampler.order == 0 {
        return None;
    }
    let cell = |steps| wasserstein(target, vp(Grid::LogSnr, steps, ORDER_STOP), sampler.scheme);
    let points = plan.effort.orders.iter().map(|&steps| (steps as f64, cell(steps)));
    let read: Read = |outcome| Ok((None, Estimate::exact(outcome.w2()?.to_end)));
    let theory = ExpectedExponent::of_order(sampler.order);
    Some(ScalingLaw::new(Group::Samplers, sampler.name, target, theory, read, points))
}
