//! Averages over paths of what the steps of a deterministic sampler cost.

use crate::EvalError;
use ddpm_core::interval::Estimate;
use ddpm_core::{Level, Time};
use ddpm_report::results::StepErrorEntry;
use ddpm_sample::StepErrors;
use tch::{Kind, Tensor};

/// Sums over batches of paths.
#[derive(Debug, Default)]
pub struct StepCosts {
    levels: Vec<Level>,
    /// For each step and path: |term|^2 and |local|^2 by component, <term, total>, and the first and last of the features.
    steps: Vec<[Vec<f64>; 5]>,
    /// |total|^2 of each path: of the samples, by component, and of the features.
    totals: [Vec<f64>; 2],
    components: f64,
    residual: f64,
}

/// The averages.
#[derive(Clone, Debug, PartialEq)]
pub struct StepAverages {
    /// An entry a step.
    pub entries: Vec<StepErrorEntry>,
    /// Root mean square of the whole error by component.
    pub total_rms: f64,
    /// Root mean square distance of the features.
    pub total_feature_distance: f64,
    /// The largest difference between the sum of the terms and the total, relative to the largest total: rounding.
    pub sum_residual: f64,
}

impl StepCosts {
    /// Adds a batch. `features` gives the features [n, k] of final samples.
    pub fn add(
        &mut self,
        found: &StepErrors,
        features: &mut dyn FnMut(&Tensor) -> Result<Tensor, EvalError>,
    ) -> Result<(), EvalError> {
        let terms = found.terms(&mut |x| Ok::<_, EvalError>(x.shallow_clone()))?;
        let of_features = found.terms(features)?;
        let sum = |parts: &[Tensor]| -> Result<Tensor, EvalError> {
            let whole = parts.iter().map(Tensor::shallow_clone).reduce(|a, b| a + b);
            whole.ok_or_else(|| EvalError::mismatch("steps of a sampler", "at least 1", 0))
        };
        let (whole, of_whole) = (sum(&terms)?, sum(&of_features)?);
        let rows = |x: &Tensor| torch_ext::fence(|| x.reshape([x.size()[0], -1]).to_kind(Kind::Double));
        let products = |a: &Tensor, b: &Tensor| -> Result<Vec<f64>, EvalError> {
            let (a, b) = (rows(a)?, rows(b)?);
            let values =
                torch_ext::fence(|| (a * b).sum_dim_intlist([1i64].as_slice(), false, Kind::Double))?;
            Ok(Vec::try_from(values).map_err(torch_ext::TorchError::from)?)
        };
        if self.steps.is_empty() {
            self.levels = found.levels.clone();
            self.steps = vec![Default::default(); terms.len()];
            self.components = whole.numel() as f64 / whole.size()[0].max(1) as f64;
        }
        let (first, last) = (&found.ends[0], &found.ends[found.ends.len() - 1]);
        let gap = torch_ext::fence(|| {
            let direct = last - first;
            let gap = (&whole - &direct).abs().max().double_value(&[]);
            gap / direct.abs().max().double_value(&[]).max(f64::MIN_POSITIVE)
        })?;
        self.residual = self.residual.max(gap);
        for (k, step) in self.steps.iter_mut().enumerate() {
            let values = [
                products(&terms[k], &terms[k])?,
                products(&found.local[k], &found.local[k])?,
                products(&terms[k], &whole)?,
                products(&of_features[k], &of_features[k])?,
                products(&of_features[k], &of_whole)?,
            ];
            step.iter_mut().zip(values).for_each(|(all, own)| all.extend(own));
        }
        self.totals[0].extend(products(&whole, &whole)?);
        self.totals[1].extend(products(&of_whole, &of_whole)?);
        Ok(())
    }

    /// The averages over all paths.
    pub fn averages(&self) -> Result<StepAverages, EvalError> {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let [total, of_features] = [0, 1].map(|which| mean(&self.totals[which]));
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        let entry = |(level, values): (&Level, &[Vec<f64>; 5])| -> Result<StepErrorEntry, EvalError> {
            let [terms, local, along, features, along_features] = values;
            let squared = Estimate::of(terms.iter().copied())?;
            let rms = (squared.mean / self.components).sqrt();
            let local_rms = (mean(local) / self.components).sqrt();
            Ok(StepErrorEntry {
                t: match level.time() {
                    Time::Index(t) => Some(t.0 + 1),
                    _ => None,
                },
                snr: level.snr(),
                rms,
                // Of a root: half of the relative error of the square.
                rms_stderr: if squared.mean > 0.0 { 0.5 * rms * squared.stderr / squared.mean } else { 0.0 },
                local_rms,
                amplification: (local_rms > 0.0).then(|| rms / local_rms),
                share: share(mean(along), total),
                feature_distance: mean(features).sqrt(),
                feature_share: share(mean(along_features), of_features),
            })
        };
        Ok(StepAverages {
            entries: self.levels.iter().zip(&self.steps).map(entry).collect::<Result<_, _>>()?,
            total_rms: (total / self.components.max(1.0)).sqrt(),
            total_feature_distance: of_features.sqrt(),
            sum_residual: self.residual,
        })
    }
}
