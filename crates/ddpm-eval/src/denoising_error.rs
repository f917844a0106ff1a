//! The error curve of a network and its sums over the visited levels: what `denoising_error.json` in a checkpoint holds.

use crate::measurement::{LevelCurve, SplitErrors};
use crate::{EvalError, MeasuredErrors};
use ddpm_core::interval::Estimate;
use ddpm_core::{Level, Time};
use ddpm_report::results::{DenoisingError, Format, LevelError, SplitSum};

/// The network's error at the measured levels of each split, and the sums over all visited levels.
pub fn denoising_error(measured: &MeasuredErrors) -> Result<DenoisingError, EvalError> {
    let visited = measured.plan.visited().len();
    let mut result = DenoisingError {
        format: Format,
        dim: measured.dim,
        visited,
        repeats: measured.repeats,
        seed: measured.seed,
        sums: Vec::new(),
        levels: Vec::new(),
    };
    for errors in &measured.splits {
        add_split(&mut result, measured, errors)?;
    }
    Ok(result)
}

fn add_split(
    result: &mut DenoisingError,
    measured: &MeasuredErrors,
    errors: &SplitErrors,
) -> Result<(), EvalError> {
    let plan = &measured.plan;
    let (network, epsilon) =
        (LevelCurve::new(plan, &errors.network)?, LevelCurve::new(plan, &errors.epsilon)?);
    let indicator = plan.visited_indicator();
    let (weights, epsilon_weights) = (network.weights(&indicator), epsilon.weights(&indicator));
    for (k, level) in plan.measured_levels().iter().enumerate() {
        let (mse, epsilon) = (errors.network.estimate(k)?, errors.epsilon.estimate(k)?);
        result.levels.push(LevelError {
            split: errors.split,
            t: one_based(level),
            snr: level.snr(),
            mse: mse.mean,
            stderr: mse.stderr,
            epsilon_mse: epsilon.mean,
            epsilon_stderr: epsilon.stderr,
            n: mse.n,
            weight: weights[k],
            epsilon_weight: Some(epsilon_weights[k]),
        });
    }
    let (mse_sum, sum) = (network.visited_sum()?, epsilon.visited_sum()?);
    let share = 1.0 / result.visited as f64;
    let loss = Estimate { mean: share * sum.mean, stderr: share * sum.stderr, n: sum.n };
    result.sums.push(SplitSum { split: errors.split, mse_sum, loss });
    Ok(())
}

/// The training timestep of a level, counted from 1; none for a continuous process.
pub(crate) fn one_based(level: &Level) -> Option<u32> {
    match level.time() {
        Time::Index(t) => Some(t.one_based()),
        _ => None,
    }
}
