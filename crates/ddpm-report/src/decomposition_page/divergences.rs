//! The divergence against the number of steps, for other schedules, variances and grids.

use super::sweep::{Measure, Slope, Sweep, SweepCurve, SweepPoint};
use crate::ReportError;
use ddpm_core::decomposition::ScheduleCurve;
use ddpm_core::{
    CoreError, ExpectedExponent, FIXED_SMALL_LIMIT, Grid, Scale, Schedule, ScheduleConfig, ScheduleKind,
    Variance,
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

/// A schedule with what is known along it.
pub struct Known<'a> {
    /// The schedule.
    pub schedule: &'a Schedule,
    /// The floor by level, the noisiest first.
    pub curve: ScheduleCurve,
    /// The denoiser's error at the same levels.
    pub mse: Vec<f64>,
    /// Initialization at the level of a position, where it is counted.
    pub init: Box<dyn Fn(usize) -> Result<f64, CoreError> + 'a>,
}

/// What is compared with what.
pub struct Comparison<'a> {
    /// The schedule in use and its name.
    pub known: &'a Known<'a>,
    /// Its name.
    pub name: &'a str,
    /// The grid in use.
    pub grid: Grid,
    /// The variance in use.
    pub variance: Variance,
    /// What is measured.
    pub measure: Measure,
    /// The training error in use, where there is one.
    pub training: Option<f64>,
}

impl Known<'_> {
    fn positions(&self, grid: Grid, steps: usize) -> Result<Vec<usize>, ReportError> {
        let last = self.schedule.steps() - 1;
        Ok(grid.visit(self.schedule, steps)?.into_iter().map(|t| last - t.0 as usize).collect())
    }

    fn total(&self, positions: &[usize], variance: Variance) -> Result<f64, ReportError> {
        let init = (self.init)(positions[0])?;
        let discretization = self.curve.discretization(positions, variance)?;
        Ok(init + discretization + self.curve.training(positions, variance, &self.mse)?)
    }

    fn totals(&self, name: &str, grid: Grid, variance: Variance) -> Result<SweepCurve, ReportError> {
        let point = |steps: usize| {
            let down = self.curve.down_to_the_lowest(self.positions(grid, steps)?);
            Ok(SweepPoint::exact(steps, self.total(&down, variance)?))
        };
        let counts = step_counts(self.schedule.steps()).into_iter();
        Ok(SweepCurve {
            name: name.to_string(),
            points: counts.map(point).collect::<Result<_, ReportError>>()?,
        })
    }
}

/// Numbers of steps for a schedule of so many levels, about evenly spaced on a logarithmic axis.
fn step_counts(all: usize) -> Vec<usize> {
    let decades = (0..7).flat_map(|k| [1, 2, 5].map(|m| m * 10usize.pow(k)));
    let mut counts: Vec<usize> = decades.filter(|&n| n >= 5 && n < all).collect();
    counts.push(all);
    counts
}

impl Comparison<'_> {
    /// Totals for every variance, grid and schedule; `along` knows the same along another schedule.
    pub fn sweeps<'b>(
        &self,
        along: impl Fn(&'b Schedule) -> Result<Known<'b>, ReportError>,
        others: &'b [(&'static str, Schedule)],
    ) -> Result<Vec<Sweep>, ReportError> {
        let Comparison { known, name, grid, variance, measure, .. } = *self;
        let mark = self.training.filter(|t| *t > 0.0).map(|t| (t, "training error now".to_string()));
        let grids =
            [Grid::Trailing, Grid::Leading, Grid::Linspace, Grid::Quadratic, Grid::LogSnr, Grid::Karras];
        let mut sweeps = vec![
            Sweep {
                question: "Which variance, and which levels?".to_string(),
                reading: format!(
                    "Schedule {name} on the grid {grid}; “best levels” places them where discretization is least."
                ),
                measure,
                curves: variances(known, grid)?,
                mark: mark.clone(),
                guides: vec![-1],
            },
            Sweep {
                question: "Which grid?".to_string(),
                reading: format!(
                    "How the visited levels are chosen from those of the schedule {name}, with variance {variance}."
                ),
                measure,
                curves: grids
                    .into_iter()
                    .map(|grid| known.totals(grid.name(), grid, variance))
                    .collect::<Result<_, _>>()?,
                mark: mark.clone(),
                guides: Vec::new(),
            },
        ];
        if !others.is_empty() {
            let mut curves = vec![known.totals(&format!("{name} (in use)"), grid, variance)?];
            for (kind, schedule) in others {
                curves.push(along(schedule)?.totals(kind, grid, variance)?);
            }
            sweeps.push(Sweep {
                question: "Which schedule?".to_string(),
                reading: format!(
                    "The schedules by their defaults, with variance {variance} on the grid {grid}."
                ),
                measure,
                curves,
                mark,
                guides: Vec::new(),
            });
        }
        Ok(sweeps)
    }
}

/// The schedules that another one is compared with, of as many levels.
pub fn other_schedules(own: &str, schedule: &Schedule) -> Result<Vec<(&'static str, Schedule)>, ReportError> {
    if schedule.scale() != Scale::VariancePreserving {
        return Ok(Vec::new());
    }
    let build =
        |kind: ScheduleKind| Ok((kind.name(), ScheduleConfig::with_steps(kind, schedule.steps()).build()?));
    KINDS.into_iter().filter(|kind| kind.name() != own).map(build).collect()
}

fn variances(known: &Known<'_>, grid: Grid) -> Result<Vec<SweepCurve>, ReportError> {
    let mut curves = VARIANCES
        .into_iter()
        .map(|variance| known.totals(variance.name(), grid, variance))
        .collect::<Result<Vec<_>, _>>()?;
    let all = known.schedule.steps();
    if all <= PLACED_LEVELS {
        let counts = step_counts(all).into_iter().filter(|&n| n <= PLACED_STEPS.min(all));
        let points = counts
            .map(|steps| {
                let placement = known.curve.best_placement(steps, Variance::Analytic)?;
                Ok(SweepPoint::exact(steps, known.total(&placement.positions, Variance::Analytic)?))
            })
            .collect::<Result<_, ReportError>>()?;
        curves.push(SweepCurve { name: "analytic, best levels".to_string(), points });
    }
    Ok(curves)
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

/// The slopes of data with a density: fixed-small alone has a limit that is not zero.
pub fn theory_of_densities(dim: usize, variance: Variance) -> (Option<f64>, String) {
    let exponent = ExpectedExponent::of_discretization(variance).value();
    let words = if exponent.is_some() {
        String::new()
    } else {
        format!(
            "0: tends to γ/2 a dimension, {:.4} here, where the noise variance starts in proportion to t",
            FIXED_SMALL_LIMIT * dim as f64
        )
    };
    (exponent, words)
}

/// The slopes of a finite set of points, seen at noise levels that tell them apart: there fixed-small is the variance of the true step.
pub fn theory_of_points(variance: Variance) -> (Option<f64>, String) {
    match variance {
        Variance::FixedSmall => (Some(-1.0), "data are points".to_string()),
        _ => (None, "0: data are points, whose true steps are narrower".to_string()),
    }
}
