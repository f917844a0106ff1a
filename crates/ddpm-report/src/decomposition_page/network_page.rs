//! The decomposition page of a trained network, from what `ddpm decompose --checkpoint` measured.

use super::decomposition_report::DecompositionReport;
use super::divergences::{Comparison, Known, compared_schedules, slopes, theory_of_points};
use crate::ReportError;
use crate::results::{DecomposeReport, Floor, Measure, MeasuredLevel, NetworkReport};
use crate::sections::Picture;
use ddpm_core::decomposition::ScheduleCurve;
use ddpm_core::decomposition::curve::ErrorCurve;
use ddpm_core::{Level, Schedule, TimeIndex};

/// What the decomposition page of a network is made from.
#[derive(Clone, Debug)]
pub struct NetworkPage<'a> {
    /// What was measured.
    pub result: DecomposeReport,
    /// The network's schedule.
    pub schedule: &'a Schedule,
    /// Pictures to show: sample grids, denoised examples.
    pub pictures: Vec<Picture>,
    /// Address of the run's page, relative to this one.
    pub run_page: Option<String>,
    /// The command that makes this page.
    pub command: String,
    /// Programs and libraries with their versions.
    pub versions: Vec<(String, String)>,
}

impl NetworkPage<'_> {
    /// The report, with the terms for other numbers of steps, variances, grids and schedules computed from the measured curves.
    pub fn report(self) -> Result<DecompositionReport, ReportError> {
        let NetworkPage { result, schedule, pictures, run_page, command, versions } = self;
        let Some(network) = result.network.clone() else {
            // The samples alone, by a sampler that has no divergence of paths.
            return Ok(DecompositionReport {
                name: result.checkpoint.clone().unwrap_or_default(),
                train_steps: Some(schedule.steps()),
                pictures,
                run_page,
                command,
                versions,
                result,
                ..Default::default()
            });
        };
        let (grid, name) = (network.measured.grid, result.schedule.clone().unwrap_or_default());
        let curves = Curves::of(&network, schedule)?;
        let known = curves.along(schedule, result.dim)?;
        let chosen = network.floors.first().map(|floor| floor.floor);
        let theory = |variance| match chosen {
            Some(Floor::EmpiricalTraining) => theory_of_points(variance),
            _ => (None, "–".to_string()),
        };
        let mut report = DecompositionReport {
            name: result.checkpoint.clone().unwrap_or_default(),
            advice: result.advice.clone().unwrap_or_default(),
            grid: grid.name().to_string(),
            train_steps: Some(schedule.steps()),
            slopes: slopes(&known, &theory)?,
            pictures,
            run_page,
            command,
            versions,
            result,
            ..Default::default()
        };
        if let Some(variance) = report.result.variance {
            let comparison = Comparison {
                known: &known,
                name: &name,
                grid,
                steps: report.result.steps,
                variance,
                best_variance: network.advice.best_variance,
                measure: Measure::StepsNats,
            };
            let compared = compared_schedules(&name, schedule)?;
            report.sweeps = comparison.sweeps(|other| curves.along(other, report.result.dim), &compared)?;
        }
        Ok(report)
    }
}

/// The network's error and its floor as functions of the noise level.
struct Curves {
    mse: ErrorCurve,
    floor: ErrorCurve,
    /// What an analytic variance is fitted to.
    fit: ErrorCurve,
}

impl Curves {
    /// Those of the floor that the report's own fields belong to.
    fn of(network: &NetworkReport, schedule: &Schedule) -> Result<Self, ReportError> {
        let chosen = network.floors.first().map_or(Floor::EmpiricalTraining, |floor| floor.floor);
        let measured = &network.levels;
        let last = schedule.steps();
        if let Some(level) = measured.iter().find(|level| level.t == 0 || level.t as usize > last) {
            return Err(ReportError::mismatch("measured level t", format!("1 to {last}"), level.t));
        }
        let levels: Vec<Level> =
            measured.iter().map(|level| schedule.level(TimeIndex(level.t - 1))).collect();
        let values = |of: &dyn Fn(&MeasuredLevel) -> Option<f64>| {
            let value = |level: &MeasuredLevel| {
                of(level)
                    .ok_or_else(|| ReportError::mismatch("measured level", "a value of the floor", "none"))
            };
            measured.iter().map(value).collect::<Result<Vec<f64>, ReportError>>()
        };
        let (mse, floor) = match chosen {
            Floor::EmpiricalTraining => {
                (values(&|l| Some(l.train.value))?, values(&|l| Some(l.empirical_train.value))?)
            }
            Floor::Reference => (
                values(&|l| l.held_out.map(|v| v.value))?,
                values(&|l| l.reference_held_out.map(|v| v.value))?,
            ),
            Floor::EmpiricalLowerBound => {
                (values(&|l| l.held_out.map(|v| v.value))?, values(&|l| Some(l.empirical_train.value))?)
            }
        };
        let fitted: Option<Vec<f64>> = measured.iter().map(|level| level.fitted).collect();
        let curve = |values: &[f64]| ErrorCurve::new(&levels, values);
        Ok(Curves { fit: curve(fitted.as_ref().unwrap_or(&mse))?, mse: curve(&mse)?, floor: curve(&floor)? })
    }

    fn along<'b>(&self, schedule: &'b Schedule, dim: usize) -> Result<Known<'b>, ReportError> {
        let levels: Vec<Level> = schedule.levels().rev().collect();
        let at = |curve: &ErrorCurve| levels.iter().map(|level| curve.at(level)).collect::<Vec<f64>>();
        let [mse, floor, fit] = [&self.mse, &self.floor, &self.fit].map(at);
        let curve = ScheduleCurve::new(levels, floor, dim)?.with_fit(fit)?;
        Ok(Known { schedule, curve, mse, init: Box::new(|_| Ok(0.0)) })
    }
}
