//! A covariance in its eigenbasis; isotropic and diagonal ones need no matrix.

use crate::CoreError;
use nalgebra::{DMatrix, DVector, DVectorView};

/// A covariance by its eigenvalues.
#[derive(Clone, Debug, PartialEq)]
pub enum Covariance {
    /// variance * I.
    Isotropic {
        /// The one eigenvalue.
        variance: f64,
        /// Number of dimensions.
        dim: usize,
    },
    /// Independent components.
    Diagonal(Vec<f64>),
    /// Any: eigenvalues, and eigenvectors as columns.
    Full {
        /// Eigenvalues, in the order of the columns.
        values: Vec<f64>,
        /// Orthonormal columns.
        vectors: DMatrix<f64>,
    },
}

/// Asymmetry above this share of the largest entry is an error in the input, not rounding.
const SYMMETRY_TOLERANCE: f64 = 1e-9;

/// Negative eigenvalues of an estimated covariance below this share of the largest are rounding and count as 0.
const ROUNDING: f64 = 1e-6;

impl Covariance {
    /// One variance for all components; positive.
    pub fn isotropic(what: &str, variance: f64, dim: usize) -> Result<Self, CoreError> {
        check_variance(what, variance)?;
        Ok(Covariance::Isotropic { variance, dim })
    }

    /// One variance a component; positive.
    pub fn diagonal(what: &str, variances: Vec<f64>) -> Result<Self, CoreError> {
        for (index, &variance) in variances.iter().enumerate() {
            check_variance(&format!("{what}[{index}]"), variance)?;
        }
        Ok(Covariance::Diagonal(variances))
    }

    /// A symmetric positive definite matrix, as a user writes it: checked by its Cholesky factorization.
    pub fn positive_definite(what: &str, matrix: &DMatrix<f64>) -> Result<Self, CoreError> {
        let matrix = symmetric(what, matrix)?;
        if matrix.clone().cholesky().is_none() {
            let lowest = matrix.symmetric_eigenvalues().min();
            let detail = format!("its Cholesky factorization fails; the smallest eigenvalue is {lowest:.3e}");
            return Err(CoreError::NotPositiveDefinite { what: what.to_owned(), detail });
        }
        Ok(Self::decomposed(matrix))
    }

    /// A covariance estimated from data, which may be singular: eigenvalues that are negative by rounding count as 0.
    pub fn estimated(what: &str, matrix: &DMatrix<f64>) -> Result<Self, CoreError> {
        let Covariance::Full { mut values, vectors } = Self::decomposed(symmetric(what, matrix)?) else {
            return Err(CoreError::Unsupported("an eigendecomposition is full".into()));
        };
        let largest = values.iter().copied().fold(0.0, f64::max);
        for value in &mut values {
            if *value < -ROUNDING * largest || !value.is_finite() {
                let detail = format!("it has the eigenvalue {value:.3e} beside {largest:.3e}");
                return Err(CoreError::NotPositiveDefinite { what: what.to_owned(), detail });
            }
            *value = value.max(0.0);
        }
        Ok(Covariance::Full { values, vectors })
    }

    fn decomposed(matrix: DMatrix<f64>) -> Self {
        let eigen = matrix.symmetric_eigen();
        Covariance::Full { values: eigen.eigenvalues.data.into(), vectors: eigen.eigenvectors }
    }

    /// Number of dimensions.
    pub fn dim(&self) -> usize {
        match self {
            Covariance::Isotropic { dim, .. } => *dim,
            Covariance::Diagonal(values) | Covariance::Full { values, .. } => values.len(),
        }
    }

    /// Eigenvalue of direction `i`.
    pub fn eigenvalue(&self, i: usize) -> f64 {
        match self {
            Covariance::Isotropic { variance, .. } => *variance,
            Covariance::Diagonal(values) | Covariance::Full { values, .. } => values[i],
        }
    }

    /// All eigenvalues, one a dimension.
    pub fn eigenvalues(&self) -> Vec<f64> {
        (0..self.dim()).map(|i| self.eigenvalue(i)).collect()
    }

    /// Sum of the eigenvalues.
    pub fn trace(&self) -> f64 {
        match self {
            Covariance::Isotropic { variance, dim } => variance * *dim as f64,
            Covariance::Diagonal(values) | Covariance::Full { values, .. } => values.iter().sum(),
        }
    }

    /// Coordinates of a vector in the eigenbasis.
    pub fn to_basis(&self, x: Vec<f64>) -> Vec<f64> {
        match self {
            Covariance::Full { vectors, .. } => {
                vectors.tr_mul(&DVectorView::from_slice(&x, x.len())).data.into()
            }
            _ => x,
        }
    }

    /// The vector with these coordinates in the eigenbasis.
    pub fn from_basis(&self, coordinates: Vec<f64>) -> Vec<f64> {
        match self {
            Covariance::Full { vectors, .. } => (vectors * DVector::from_vec(coordinates)).data.into(),
            _ => coordinates,
        }
    }

    /// The matrix U diag(f(eigenvalue)) U^T.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> DMatrix<f64> {
        match self {
            Covariance::Full { values, vectors } => {
                let mut scaled = vectors.clone();
                for (mut column, &value) in scaled.column_iter_mut().zip(values) {
                    column *= f(value);
                }
                scaled * vectors.transpose()
            }
            _ => DMatrix::from_diagonal(&DVector::from_iterator(
                self.dim(),
                self.eigenvalues().into_iter().map(f),
            )),
        }
    }
}

fn check_variance(what: &str, variance: f64) -> Result<(), CoreError> {
    if variance > 0.0 && variance.is_finite() {
        return Ok(());
    }
    let detail = format!("the variance {variance} is not a positive number");
    Err(CoreError::NotPositiveDefinite { what: what.to_owned(), detail })
}

/// The matrix made exactly symmetric, or an error that shows where it is not.
fn symmetric(what: &str, matrix: &DMatrix<f64>) -> Result<DMatrix<f64>, CoreError> {
    if matrix.nrows() != matrix.ncols() {
        let what = format!("row of {what}");
        return Err(CoreError::Dimension { what, expected: matrix.nrows(), got: matrix.ncols() });
    }
    let largest = matrix.amax();
    for i in 0..matrix.nrows() {
        for j in 0..=i {
            let (a, b) = (matrix[(i, j)], matrix[(j, i)]);
            let difference = (a - b).abs();
            let close = difference <= SYMMETRY_TOLERANCE * largest;
            if !close {
                let detail = format!("entry [{i}][{j}] is {a} but [{j}][{i}] is {b}");
                return Err(CoreError::NotPositiveDefinite { what: what.to_owned(), detail });
            }
        }
    }
    Ok((matrix + matrix.transpose()) * 0.5)
}
