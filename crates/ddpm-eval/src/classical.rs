//! The three classical error terms of a trained model on a data set: formulas in [`ddpm_core::classical`], estimates here.

use crate::denoising_error::one_based;
use crate::measurement::{ErrorTable, LevelCurve};
use crate::{EvalError, MeasuredErrors, Spectrum};
use ddpm_core::classical::{
    ClassicalTerms, InitializationDistance, discretization_max, discretization_ratios,
};
use ddpm_data::Split;
use ddpm_report::results::{ClassicalLevel, ClassicalReport, FloorLevel, Format};

/// The terms of a model that samples through the visited levels. `spectrum` is that of the training images.
///
/// Where the empirical denoiser was measured, the training term is that on training images, on which no denoiser has a smaller error than
/// that one: term and irreducible part belong together. Otherwise it is the term on held-out images where there are any.
pub fn classical_terms(measured: &MeasuredErrors, spectrum: &Spectrum) -> Result<ClassicalReport, EvalError> {
    let plan = &measured.plan;
    let train = measured.split(Split::Train);
    let empirical = train.and_then(|errors| errors.empirical.as_ref());
    let errors = train
        .filter(|_| empirical.is_some())
        .or_else(|| measured.splits.first())
        .ok_or_else(|| EvalError::mismatch("measured splits", "train or held-out", "neither"))?;
    let sum = |table: &ErrorTable| LevelCurve::new(plan, table)?.visited_sum();
    let training = sum(&errors.network)?;
    let visited = plan.visited_levels();
    let InitializationDistance { w2, kind, interval } = spectrum.initialization(&visited[0])?;
    let ratios = discretization_ratios(&visited);
    let linear_mse = spectrum.linear_mse(&visited)?;
    let levels = visited.iter().zip(linear_mse).enumerate().map(|(k, (level, linear_mse))| ClassicalLevel {
        t: one_based(level),
        snr: level.snr(),
        discretization_ratio: ratios.get(k).copied(),
        linear_mse,
    });
    Ok(ClassicalReport {
        format: Format,
        terms: ClassicalTerms {
            w2_init: w2,
            w2_init_kind: kind,
            w2_init_interval: interval,
            training_mse_sum: training.mean,
            mmse_sum: empirical
                .map(|empirical| Ok::<_, EvalError>(sum(&empirical.error)?.mean))
                .transpose()?,
            discretization_max: discretization_max(&visited),
        },
        split: errors.split,
        training,
        mean_norm: spectrum.mean.iter().map(|value| value * value).sum::<f64>().sqrt(),
        moments_of: spectrum.count,
        levels: levels.collect(),
        floor: empirical.map(|empirical| floor(measured, &empirical.error)).transpose()?.unwrap_or_default(),
    })
}

/// The error of the empirical denoiser at the measured levels.
fn floor(measured: &MeasuredErrors, table: &ErrorTable) -> Result<Vec<FloorLevel>, EvalError> {
    let levels = measured.plan.measured_levels();
    let at = |(k, level): (usize, &ddpm_core::Level)| {
        let mse = table.estimate(k)?;
        Ok(FloorLevel { t: one_based(level), snr: level.snr(), mse: mse.mean, stderr: mse.stderr })
    };
    levels.iter().enumerate().map(at).collect()
}
