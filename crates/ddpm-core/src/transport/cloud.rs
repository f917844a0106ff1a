//! A sample of points.

use crate::CoreError;

/// n points of `dim` entries, one after another.
#[derive(Clone, Copy, Debug)]
pub struct Cloud<'a> {
    pub(super) dim: usize,
    pub(super) values: &'a [f64],
}

impl<'a> Cloud<'a> {
    /// At least one point; all values finite.
    pub fn new(dim: usize, values: &'a [f64]) -> Result<Self, CoreError> {
        if dim == 0 || values.is_empty() || !values.len().is_multiple_of(dim) {
            let expected = dim.max(1) * values.len().div_ceil(dim.max(1)).max(1);
            return Err(CoreError::Dimension { what: "samples".into(), expected, got: values.len() });
        }
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(CoreError::Entry { name: "samples", index, expected: "finite", got: values[index] });
        }
        Ok(Cloud { dim, values })
    }

    pub(super) fn points(&self) -> impl ExactSizeIterator<Item = &'a [f64]> + Clone {
        self.values.chunks_exact(self.dim)
    }

    pub(super) fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    pub(super) fn same_dim(&self, other: &Cloud<'_>) -> Result<(), CoreError> {
        if self.dim == other.dim {
            return Ok(());
        }
        Err(CoreError::Dimension { what: "sample".into(), expected: self.dim, got: other.dim })
    }
}
