//! The divergence as a function of the number of steps, for other schedules, variances and grids.

use crate::ReportError;
use crate::kit::number;
use crate::results::{Measure, Slope, Sweep, SweepCurve, SweepPoint};
use ddpm_core::decomposition::ScheduleCurve;
use ddpm_core::{
    CoreError, ExpectedExponent, FIXED_SMALL_LIMIT, Grid, Noising, Scale, Schedule, ScheduleConfig,
    ScheduleKind, TimeIndex, Variance,
};

/// The variances that need no network.
const VARIANCES: [Variance; 3] = [Variance::FixedSmall, Variance::FixedLarge, Variance::Analytic];
/// The schedules that are compared.
const KINDS: [ScheduleKind; 4] =
    [ScheduleKind::Linear, ScheduleKind::ScaledLinear, ScheduleKind::Cosine, ScheduleKind::Sigmoid];
/// Levels up to which the best placement is searched, a problem of their square.
const PLACED_LEVELS: usize = 1500;
/// Steps up to which it is shown.
const PLACED_STEPS: usize = 100;

/// The initialization term at the level of a position.
pub type InitializationAt<'a> = Box<dyn Fn(usize) -> Result<f64, CoreError> + 'a>;

/// A schedule and the errors along it.
pub struct Known<'a> {
    /// The schedule.
    pub schedule: &'a Schedule,
    /// The floor at all levels of the schedule, the noisiest first.
    pub curve: ScheduleCurve,
    /// The denoiser's error at the same levels.
    pub mse: Vec<f64>,
    /// The initialization term at the level of a position; 0 where it is not counted.
    pub init: InitializationAt<'a>,
}

/// The setting in use, from which each sweep changes one thing.
pub struct Comparison<'a> {
    /// The schedule in use and the errors along it.
    pub known: &'a Known<'a>,
    /// The schedule's name.
    pub name: &'a str,
    /// The grid in use.
    pub grid: Grid,
    /// The number of steps in use.
    pub steps: usize,
    /// The variance in use.
    pub variance: Variance,
    /// The variance that advice names.
    pub best_variance: Variance,
    /// What is measured.
    pub measure: Measure,
}

impl Known<'_> {
    /// Positions of the levels that a grid visits, the noisiest first.
    pub fn positions(&self, grid: Grid, steps: usize) -> Result<Vec<usize>, ReportError> {
        let last = self.schedule.steps() - 1;
        Ok(grid.visit(self.schedule, steps)?.into_iter().map(|t| last - t.0 as usize).collect())
    }

    fn total(&self, positions: &[usize], variance: Variance) -> Result<f64, ReportError> {
        let init = (self.init)(positions[0])?;
        let discretization = self.curve.discretization(positions, variance)?;
        Ok(init + discretization + self.curve.training(positions, variance, &self.mse)?)
    }

    /// The total by number of steps, on a grid that is continued to the lowest level.
    fn totals(
        &self,
        name: &str,
        grid: Grid,
        variance: Variance,
        in_use: Option<usize>,
    ) -> Result<SweepCurve, ReportError> {
        let point = |steps: usize| {
            let down = self.curve.down_to_the_lowest(self.positions(grid, steps)?);
            Ok(SweepPoint::exact(steps, self.total(&down, variance)?))
        };
        let counts = step_counts(self.schedule.steps(), in_use).into_iter();
        Ok(SweepCurve {
            name: name.to_string(),
            points: counts.map(point).collect::<Result<_, ReportError>>()?,
        })
    }
}

/// Numbers of steps for a schedule of so many levels, about evenly spaced on a logarithmic axis, and the one in use.
fn step_counts(all: usize, in_use: Option<usize>) -> Vec<usize> {
    let decades = (0..7).flat_map(|k| [1, 2, 5].map(|m| m * 10usize.pow(k)));
    let mut counts: Vec<usize> = decades.filter(|&n| n >= 5 && n < all).collect();
    counts.extend(in_use.filter(|&n| n < all));
    counts.push(all);
    counts.sort_unstable();
    counts.dedup();
    counts
}

impl Comparison<'_> {
    /// Totals for every variance and grid, and for the schedules of [`compared_schedules`]; `along` gives the errors along a schedule.
    pub fn sweeps<'b>(
        &self,
        along: impl Fn(&'b Schedule) -> Result<Known<'b>, ReportError>,
        compared: &'b [(String, Schedule)],
    ) -> Result<Vec<Sweep>, ReportError> {
        let Comparison { known, name, grid, steps, variance, measure, .. } = *self;
        // Counted down to the lowest level, as the totals are.
        let in_use = known.curve.down_to_the_lowest(known.positions(grid, steps)?);
        let training = known.curve.training(&in_use, variance, &known.mse)?;
        let mark = (training > 0.0).then(|| (training, format!("training error with {steps} steps")));
        let grids =
            [Grid::Trailing, Grid::Leading, Grid::Linspace, Grid::Quadratic, Grid::LogSnr, Grid::Karras];
        let mut sweeps = vec![
            Sweep {
                question: "Which variance, and which levels?".to_string(),
                reading: format!(
                    "Schedule {name} on the grid {grid}. The curve “best levels” places the levels where discretization is least.{}",
                    self.left_out()
                ),
                measure,
                curves: self.variances()?,
                mark: mark.clone(),
                guides: vec![-1],
            },
            Sweep {
                question: "Which grid?".to_string(),
                reading: format!(
                    "Choices of the visited levels of the schedule {name}, with variance {variance}."
                ),
                measure,
                curves: grids
                    .into_iter()
                    .map(|grid| known.totals(grid.name(), grid, variance, Some(steps)))
                    .collect::<Result<_, _>>()?,
                mark,
                guides: Vec::new(),
            },
        ];
        if let Some((_, first)) = compared.first() {
            let curve = |(name, schedule): &'b (String, Schedule)| {
                along(schedule)?.totals(name, grid, variance, None)
            };
            let curves = compared.iter().map(curve).collect::<Result<_, _>>()?;
            sweeps.push(Sweep {
                question: "Which schedule?".to_string(),
                reading: format!(
                    "The schedules with their default parameters, variance {variance}, grid {grid}. All are compared down to one lowest noise level, \
                     that of the schedule that ends noisiest (signal-to-noise ratio {}).{}",
                    number::number(first.level(TimeIndex(0)).snr()),
                    self.left_out()
                ),
                measure,
                curves,
                // The training error in use is counted down to another level.
                mark: None,
                guides: Vec::new(),
            });
        }
        Ok(sweeps)
    }

    /// Says what the totals leave out.
    fn left_out(&self) -> &'static str {
        match self.measure {
            Measure::StepsNats => " Initialization, which depends on where sampling starts, is left out.",
            _ => "",
        }
    }

    /// Totals for every variance, and for the best placement of the levels with the variance that advice names.
    fn variances(&self) -> Result<Vec<SweepCurve>, ReportError> {
        let Comparison { known, grid, steps, best_variance, .. } = *self;
        let mut curves = VARIANCES
            .into_iter()
            .map(|variance| known.totals(variance.name(), grid, variance, Some(steps)))
            .collect::<Result<Vec<_>, _>>()?;
        let all = known.schedule.steps();
        if all <= PLACED_LEVELS {
            let shown = |n: &usize| *n <= PLACED_STEPS.min(all) || *n == steps;
            let points = step_counts(all, Some(steps))
                .into_iter()
                .filter(shown)
                .map(|steps| {
                    let placement = known.curve.best_placement(steps, best_variance)?;
                    Ok(SweepPoint::exact(steps, known.total(&placement.positions, best_variance)?))
                })
                .collect::<Result<_, ReportError>>()?;
            curves.push(SweepCurve { name: format!("{best_variance}, best levels"), points });
        }
        Ok(curves)
    }
}

/// The schedule in use and the others of as many levels, all stopped at one common lowest noise level: that of the schedule that ends
/// noisiest. Divergences speak of the law at the lowest level and can only be compared at the same one.
pub fn compared_schedules(own: &str, schedule: &Schedule) -> Result<Vec<(String, Schedule)>, ReportError> {
    if schedule.scale() != Scale::VariancePreserving {
        return Ok(Vec::new());
    }
    let mut schedules = vec![(format!("{own} (in use)"), schedule.clone())];
    for kind in KINDS.into_iter().filter(|kind| kind.name() != own) {
        let other = ScheduleConfig::with_steps(kind, schedule.steps()).build()?;
        schedules.push((kind.name().to_string(), other));
    }
    let least = |schedule: &Schedule| schedule.level(TimeIndex(0)).relative_sigma();
    let common = schedules.iter().map(|(_, schedule)| least(schedule)).fold(0.0, f64::max);
    schedules
        .into_iter()
        .map(|(name, schedule)| match Noising::Discrete(schedule.clone()).stopped_at(common)? {
            Noising::Discrete(stopped) => Ok((name, stopped)),
            Noising::Continuous { .. } => Ok((name, schedule)),
        })
        .collect()
}

/// Discretization at the last doubling up to all levels, which `trailing` visits as a chain of that length would.
pub fn slopes(
    known: &Known<'_>,
    theory: &dyn Fn(Variance) -> (Option<f64>, String),
) -> Result<Vec<Slope>, ReportError> {
    let all = known.schedule.steps();
    if all < 4 {
        return Ok(Vec::new());
    }
    let mut slopes = Vec::new();
    for variance in VARIANCES {
        let at = |steps: usize| -> Result<SweepPoint, ReportError> {
            let positions = known.positions(Grid::Trailing, steps)?;
            Ok(SweepPoint::exact(steps, known.curve.discretization(&positions, variance)?))
        };
        let (theoretical, words) = theory(variance);
        let quantity = format!("discretization, {variance} (nats)");
        slopes.extend(Slope::between(quantity, (at(all / 2)?, at(all)?), theoretical, words));
    }
    Ok(slopes)
}

/// The theoretical slope for data with a density, and what it says in words where there is none.
pub fn theory_of_densities(dim: usize, variance: Variance) -> (Option<f64>, String) {
    let exponent = ExpectedExponent::of_discretization(variance).value();
    let words = match exponent {
        Some(_) => String::new(),
        None => format!(
            "0: the term tends to γ/2 per dimension ({:.4} here) if the noise variance starts in proportion to t",
            FIXED_SMALL_LIMIT * dim as f64
        ),
    };
    (exponent, words)
}

/// The same for a finite set of points, at noise levels that tell them apart: there `fixed-small` is the variance of the true step.
pub fn theory_of_points(variance: Variance) -> (Option<f64>, String) {
    match variance {
        Variance::FixedSmall => (Some(-1.0), "data are points".to_string()),
        _ => (None, "0: data are points, whose true reverse steps have a smaller variance".to_string()),
    }
}
