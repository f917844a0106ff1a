//! The three classical error terms of a trained model on a data set: formulas in [`ddpm_core::classical`], estimates here.

use crate::{EvalError, Spectrum};
use ddpm_core::classical::{
    ClassicalTerms, InitializationDistance, discretization_max, discretization_ratios,
};
use ddpm_core::{Level, Time};
use ddpm_data::Split;
use ddpm_report::results::{ClassicalLevel, ClassicalReport, DenoisingError};

/// Collects the terms of a model that samples through `visited`, the noisiest level first, without data.
///
/// `floor` is the measured error of a denoiser that no other can beat on *training* images, such as the exact denoiser of their empirical
/// measure; with it the training term is that on training images, so that the two belong together. Without it the term is that on held-out
/// images where there are any.
pub fn classical_terms(
    spectrum: &Spectrum,
    error: &DenoisingError,
    floor: Option<&DenoisingError>,
    visited: &[Level],
) -> Result<ClassicalReport, EvalError> {
    let Some(start) = visited.first() else {
        return Err(EvalError::mismatch("visited levels", "at least 1", 0));
    };
    if error.visited != visited.len() {
        return Err(EvalError::mismatch(
            "levels visited in the denoising error",
            visited.len(),
            error.visited,
        ));
    }
    let on = |split| error.mse_sum(split).map(|sum| (split, sum));
    let measured =
        if floor.is_some() { on(Split::Train) } else { on(Split::HeldOut).or_else(|| on(Split::Train)) };
    let Some((split, training)) = measured else {
        return Err(EvalError::mismatch("splits in the denoising error", "train or held-out", "neither"));
    };
    let InitializationDistance { w2, kind } = spectrum.initialization(start)?;
    let ratios = discretization_ratios(visited);
    let linear_mse = spectrum.linear_mse(visited)?;
    let levels = visited.iter().zip(linear_mse).enumerate().map(|(k, (level, linear_mse))| ClassicalLevel {
        t: match level.time() {
            Time::Index(t) => Some(t.one_based()),
            _ => None,
        },
        snr: level.snr(),
        discretization_ratio: ratios.get(k).copied(),
        linear_mse,
    });
    Ok(ClassicalReport {
        terms: ClassicalTerms {
            w2_init: w2,
            w2_init_kind: kind,
            training_mse_sum: training.mean,
            mmse_sum: floor.and_then(|floor| floor.mse_sum(Split::Train)).map(|sum| sum.mean),
            discretization_max: discretization_max(visited),
        },
        split,
        training,
        mean_norm: spectrum.mean.iter().map(|value| value * value).sum::<f64>().sqrt(),
        moments_of: spectrum.count,
        levels: levels.collect(),
        floor: floor.map(|floor| floor.curve(Split::Train)).unwrap_or_default(),
    })
}
