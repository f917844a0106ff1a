//! Feature rows in groups, and distances without each group: the material of a delete-a-group jackknife, also of differences of distances.

use super::groups::{group_of, hash, jackknife, shuffled};
use super::measured::{GROUPS, Measured, checked};
use crate::EvalError;
use tch::Tensor;

/// Rows of features, each in a group. Rows that are not independent of each other belong in one group.
#[derive(Debug)]
pub struct Grouped {
    /// [n, d] f64 on the CPU.
    pub(super) features: Tensor,
    /// The group of every row.
    pub(super) groups: Vec<usize>,
    /// Number of groups.
    pub(super) count: usize,
}

/// A distance of two sets, on all rows and without each group.
#[derive(Clone, Debug, PartialEq)]
pub struct Deletions {
    /// On all rows.
    pub(super) value: f64,
    /// Without each group of the first set, and without each of the second.
    pub(super) without: [Vec<f64>; 2],
    /// Whether the estimate has no bias, so that none is taken from it.
    pub(super) unbiased: bool,
}

impl Grouped {
    /// Independent rows [n, d], in groups that do not follow their order.
    pub fn rows(features: &Tensor, groups: usize) -> Result<Self, EvalError> {
        let features = shuffled(&checked(features, 2, None)?)?;
        let rows = features.size()[0];
        let count = groups.min(rows as usize);
        Ok(Grouped { features, groups: (0..rows).map(|i| group_of(i, count)).collect(), count })
    }

    /// Rows [n, d] of which those of one `origin` (one for each row, 0 to origins - 1) depend on each other, in [`GROUPS`] groups of origins. Rows of
    /// equal origin are in the same group of any set with as many origins.
    pub fn by_origin(features: &Tensor, origin: &[usize], origins: usize) -> Result<Self, EvalError> {
        let features = checked(features, 2, None)?;
        if origin.len() as i64 != features.size()[0] || origin.iter().any(|&o| o >= origins) {
            let expected = format!("one below {origins} for each of {} rows", features.size()[0]);
            return Err(EvalError::mismatch("origins of rows", expected, origin.len()));
        }
        let mut order: Vec<usize> = (0..origins).collect();
        order.sort_by_key(|&i| hash(i as i64));
        let count = GROUPS.min(origins);
        let mut group = vec![0; origins];
        for (rank, &origin) in order.iter().enumerate() {
            group[origin] = group_of(rank as i64, count);
        }
        Ok(Grouped { features, groups: origin.iter().map(|&o| group[o]).collect(), count })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Number of features.
    pub fn dim(&self) -> usize {
        self.features.size()[1] as usize
    }

    /// The rows that are not in a group.
    pub(super) fn without(&self, group: usize) -> Result<Tensor, EvalError> {
        let kept: Vec<i64> = (0..self.len()).filter(|&i| self.groups[i] != group).map(|i| i as i64).collect();
        Ok(torch_ext::fence(|| self.features.index_select(0, &Tensor::from_slice(&kept)))?)
    }

    /// The group of every row, as a tensor of indices.
    pub(super) fn indices(&self, first: i64, rows: i64) -> Tensor {
        let part = &self.groups[first as usize..(first + rows) as usize];
        Tensor::from_slice(&part.iter().map(|&g| g as i64).collect::<Vec<_>>())
    }
}

impl Deletions {
    /// The difference of two distances from the same second set, whose first sets have their groups in common.
    pub fn minus(&self, other: &Deletions) -> Result<Deletions, EvalError> {
        let less = |set: usize| {
            let (a, b) = (&self.without[set], &other.without[set]);
            if a.len() != b.len() {
                return Err(EvalError::mismatch("groups of two distances", a.len(), b.len()));
            }
            Ok(a.iter().zip(b).map(|(a, b)| a - b).collect())
        };
        Ok(Deletions {
            value: self.value - other.value,
            without: [less(0)?, less(1)?],
            unbiased: self.unbiased && other.unbiased,
        })
    }

    /// The number on all rows.
    pub fn raw(&self) -> f64 {
        self.value
    }

    /// The number without its bias of order 1/n, with its standard error over the groups of both sets.
    pub fn measured(&self) -> Measured {
        let [a, b] = &self.without;
        let found = jackknife(self.value, [a, b]);
        if self.unbiased { Measured { value: self.value, ..found } } else { found }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn rows_of_one_origin_share_a_group_in_every_set() {
        let x = Tensor::zeros([90, 2], (Kind::Double, Device::Cpu));
        let origins: Vec<usize> = (0..90).map(|i| i % 45).collect();
        let twice = Grouped::by_origin(&x, &origins, 45).unwrap();
        let once = Grouped::by_origin(&x.narrow(0, 0, 45), &origins[..45], 45).unwrap();
        assert_eq!((twice.count, once.count), (20, 20));
        assert!(
            (0..45).all(|i| twice.groups[i] == twice.groups[i + 45] && twice.groups[i] == once.groups[i])
        );
        let sizes = (0..20).map(|group| once.groups.iter().filter(|&&g| g == group).count());
        assert!(sizes.into_iter().all(|size| size == 2 || size == 3));
        assert!(Grouped::by_origin(&x, &origins, 44).is_err());
    }
}
