//! The target file: a law written as JSON (or TOML).
//!
//! ```json
//! {"kind": "gaussian", "mean": [0, 0], "cov": [[1, 0.5], [0.5, 1]]}
//! {"kind": "gaussian", "mean": [0, 0], "var": [1, 0.25]}
//! {"kind": "gaussian", "file": "fitted.safetensors"}
//! {"kind": "mixture", "weights": [0.3, 0.7], "means": [[-1.5], [1]], "stds": [0.25, 0.4]}
//! {"kind": "mixture", "weights": [1], "means": [[0, 0]], "covs": [[[1, 0], [0, 2]]]}
//! ```
//!
//! The fitted file has f64 tensors `mean` `[d]` and `cov` `[d, d]`; whoever reads it passes them to [`Gaussian::from_moments`].

use super::covariance::Covariance;
use super::gaussian::Gaussian;
use super::mixture::{Component, Mixture};
use super::target::Target;
use crate::CoreError;
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

/// A target as it is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TargetSpec {
    /// N(mean, cov), or independent components with variances `var`, or moments in a file.
    Gaussian {
        /// m, `[d]`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mean: Option<Vec<f64>>,
        /// C, `[d][d]`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cov: Option<Vec<Vec<f64>>>,
        /// Diagonal of C, `[d]`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        var: Option<Vec<f64>>,
        /// A safetensors file with `mean` and `cov`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
    },
    /// The points of a file, each with the same probability; whoever reads it passes them to [`Empirical::new`](super::Empirical::new).
    Empirical {
        /// A .npy, .safetensors or .csv file with `[n, d]` numbers.
        file: String,
        /// Which tensor of a safetensors file; the only one unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tensor: Option<String>,
        /// The points are divided by this; 1 unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scale: Option<f64>,
    },
    /// `sum_k weights[k] N(means[k], stds[k]^2 I)`, or with covariances `covs`.
    Mixture {
        /// Probabilities `[K]`.
        weights: Vec<f64>,
        /// Means `[K][d]`.
        means: Vec<Vec<f64>>,
        /// Standard deviations `[K]` of isotropic components.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stds: Option<Vec<f64>>,
        /// Covariances `[K][d][d]`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        covs: Option<Vec<Vec<Vec<f64>>>>,
    },
}

impl TargetSpec {
    /// The file that holds the moments or the points, where the target names one.
    pub fn file(&self) -> Option<&str> {
        match self {
            TargetSpec::Gaussian { file, .. } => file.as_deref(),
            TargetSpec::Empirical { file, .. } => Some(file),
            TargetSpec::Mixture { .. } => None,
        }
    }

    /// The law. Fails where [`TargetSpec::file`] is given: its content goes to [`Gaussian::from_moments`] or to
    /// [`Empirical::new`](super::Empirical::new).
    pub fn build(&self) -> Result<Target, CoreError> {
        match self {
            TargetSpec::Gaussian { mean, cov, var, file } => {
                gaussian(mean.as_deref(), cov.as_deref(), var.as_deref(), file.as_deref())
            }
            TargetSpec::Empirical { file, .. } => Err(CoreError::Unsupported(format!(
                "an empirical target whose points are in {file:?} is built from them"
            ))),
            TargetSpec::Mixture { weights, means, stds, covs } => {
                mixture(weights, means, stds.as_deref(), covs.as_deref()).map(Target::Mixture)
            }
        }
    }
}

fn gaussian(
    mean: Option<&[f64]>,
    cov: Option<&[Vec<f64>]>,
    var: Option<&[f64]>,
    file: Option<&str>,
) -> Result<Target, CoreError> {
    let wrong = |text: &str| Err(CoreError::Unsupported(format!("a gaussian target {text}")));
    let (mean, covariance) = match (mean, cov, var, file) {
        (Some(mean), Some(rows), None, None) => {
            let matrix = square("cov", rows, mean.len())?;
            (mean, Covariance::positive_definite("cov", &matrix)?)
        }
        (Some(mean), None, Some(var), None) => {
            check_len("var", mean.len(), var.len())?;
            (mean, Covariance::diagonal("var", var.to_vec())?)
        }
        (None, None, None, Some(file)) => {
            return wrong(&format!("whose moments are in {file:?} is built from them"));
        }
        (_, _, _, Some(_)) => return wrong("with file takes neither mean, cov nor var"),
        (None, _, _, None) => return wrong("needs mean (or file)"),
        (Some(_), None, None, None) => return wrong("needs cov or var"),
        (Some(_), Some(_), Some(_), None) => return wrong("takes cov or var, not both"),
    };
    Ok(Target::Gaussian(Gaussian::new(mean.to_vec(), covariance)?))
}

fn mixture(
    weights: &[f64],
    means: &[Vec<f64>],
    stds: Option<&[f64]>,
    covs: Option<&[Vec<Vec<f64>>]>,
) -> Result<Mixture, CoreError> {
    check_len("means", weights.len(), means.len())?;
    let covariance = |k: usize, dim: usize| match (stds, covs) {
        (Some(stds), None) => {
            check_len("stds", weights.len(), stds.len())?;
            if stds[k] <= 0.0 || !stds[k].is_finite() {
                let got = stds[k];
                return Err(CoreError::Entry { name: "stds", index: k, expected: "positive", got });
            }
            Covariance::isotropic(&format!("stds[{k}]"), stds[k] * stds[k], dim)
        }
        (None, Some(covs)) => {
            check_len("covs", weights.len(), covs.len())?;
            let what = format!("covs[{k}]");
            Covariance::positive_definite(&what, &square(&what, &covs[k], dim)?)
        }
        _ => Err(CoreError::Unsupported("a mixture target needs either stds or covs".into())),
    };
    let components = weights.iter().zip(means).enumerate().map(|(k, (&weight, mean))| {
        Ok(Component { weight, law: Gaussian::new(mean.clone(), covariance(k, mean.len())?)? })
    });
    Mixture::new(components.collect::<Result<_, CoreError>>()?)
}

fn check_len(what: &str, expected: usize, got: usize) -> Result<(), CoreError> {
    if expected == got { Ok(()) } else { Err(CoreError::Dimension { what: what.to_owned(), expected, got }) }
}

fn square(what: &str, rows: &[Vec<f64>], dim: usize) -> Result<DMatrix<f64>, CoreError> {
    check_len(what, dim, rows.len())?;
    for (i, row) in rows.iter().enumerate() {
        check_len(&format!("{what}[{i}]"), dim, row.len())?;
    }
    Ok(DMatrix::from_fn(dim, dim, |i, j| rows[i][j]))
}
