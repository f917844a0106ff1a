//! Samples of a sampler beside exact ones, in one or two coordinates.

use crate::ReportError;
use ddpm_core::{Level, Target};
use serde::Serialize;

/// Points of a scatter plot, on each side.
const SCATTERED: usize = 600;
/// Bins of a histogram.
const BINS: usize = 60;
/// Points of the exact density's curve.
const CURVE: usize = 241;

/// Samples in one or two coordinates.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SampleCloud {
    /// On the line.
    Line {
        /// (x, density) of the target.
        density: Vec<(f64, f64)>,
        /// (centre, density, standard error) of the samples' histogram.
        histogram: Vec<(f64, f64, f64)>,
    },
    /// In two coordinates: the data's own, or the two directions in which they vary most.
    Plane {
        /// Names of the coordinates.
        axes: [String; 2],
        /// Exact samples.
        exact: Vec<(f64, f64)>,
        /// The sampler's.
        samples: Vec<(f64, f64)>,
    },
}

impl SampleCloud {
    /// The picture of samples [n, d] of a target, one after another; `exact` are samples of the target itself.
    pub fn of(target: &Target, samples: &[f64], exact: &[f64]) -> Result<Option<Self>, ReportError> {
        match target.dim() {
            1 if samples.len() > 1 => Ok(Some(line(target, samples, exact))),
            1 => Ok(None),
            2 => Ok(Some(SampleCloud::Plane {
                axes: ["x₁".to_string(), "x₂".to_string()],
                exact: pairs(exact),
                samples: pairs(samples),
            })),
            dim => {
                let basis = target.matched_gaussian()?;
                let eigenvalues = basis.covariance().eigenvalues();
                let mut order: Vec<usize> = (0..dim).collect();
                order.sort_by(|&a, &b| eigenvalues[b].total_cmp(&eigenvalues[a]));
                let project = |points: &[f64]| {
                    let coordinates = |point: &[f64]| {
                        let along = basis.covariance().to_basis(point.to_vec());
                        (along[order[0]], along[order[1]])
                    };
                    points.chunks_exact(dim).take(SCATTERED).map(coordinates).collect()
                };
                Ok(Some(SampleCloud::Plane {
                    axes: [1, 2].map(|k| format!("principal direction {k}")),
                    exact: project(exact),
                    samples: project(samples),
                }))
            }
        }
    }
}

fn pairs(points: &[f64]) -> Vec<(f64, f64)> {
    points.chunks_exact(2).take(SCATTERED).map(|p| (p[0], p[1])).collect()
}

fn line(target: &Target, samples: &[f64], exact: &[f64]) -> SampleCloud {
    // Of the middle of both sets, so that a stray sample does not stretch the axis.
    let quantile = |share: f64, pick: fn(f64, f64) -> f64| {
        let of = |values: &[f64]| {
            let mut sorted = values.to_vec();
            sorted.sort_by(f64::total_cmp);
            sorted[((sorted.len() - 1) as f64 * share) as usize]
        };
        pick(of(samples), of(exact))
    };
    let (low, high) = (quantile(0.001, f64::min), quantile(0.999, f64::max));
    let margin = 0.05 * (high - low).max(1e-6);
    let (low, high) = (low - margin, high + margin);
    let width = (high - low) / BINS as f64;
    let mut counts = vec![0usize; BINS];
    for x in samples {
        let bin = ((x - low) / width).floor();
        if (0.0..BINS as f64).contains(&bin) {
            counts[bin as usize] += 1;
        }
    }
    let unit = 1.0 / (samples.len() as f64 * width);
    let histogram = counts
        .into_iter()
        .enumerate()
        .map(|(k, count)| {
            let count = count as f64;
            (low + (k as f64 + 0.5) * width, count * unit, count.sqrt() * unit)
        })
        .collect();
    let density = (0..CURVE)
        .map(|k| {
            let x = low + (high - low) * k as f64 / (CURVE - 1) as f64;
            (x, target.log_density(&[x], &Level::CLEAN).exp())
        })
        .collect();
    SampleCloud::Line { density, histogram }
}
