//! Mean and scatter of feature vectors, which can be merged: of batches, or of the shards of several processes.

use super::measured::checked;
use crate::EvalError;
use tch::{Kind, Tensor};

/// The number of rows, their mean, and the sum of (x - mean)(x - mean)^T.
#[derive(Debug)]
pub struct FeatureMoments {
    n: i64,
    /// [d] f64.
    mean: Tensor,
    /// [d, d] f64.
    scatter: Tensor,
}

impl FeatureMoments {
    /// Of features [n, d], n of at least 1.
    pub fn of(features: &Tensor) -> Result<Self, EvalError> {
        let x = checked(features, 1, None)?;
        Ok(torch_ext::fence(|| {
            let mean = x.mean_dim([0i64].as_slice(), false, Kind::Double);
            let centred = &x - &mean;
            FeatureMoments { n: x.size()[0], mean, scatter: centred.tr().matmul(&centred) }
        })?)
    }

    /// Those of both sets together (Chan, Golub & LeVeque 1979).
    pub fn merged(&self, other: &Self) -> Result<Self, EvalError> {
        if self.mean.size() != other.mean.size() {
            return Err(EvalError::mismatch(
                "features of merged moments",
                self.mean.size()[0],
                other.mean.size()[0],
            ));
        }
        let (a, b) = (self.n as f64, other.n as f64);
        Ok(torch_ext::fence(|| {
            let difference = &other.mean - &self.mean;
            FeatureMoments {
                n: self.n + other.n,
                mean: &self.mean + &difference * (b / (a + b)),
                scatter: &self.scatter + &other.scatter + difference.outer(&difference) * (a * b / (a + b)),
            }
        })?)
    }

    /// Number of rows.
    pub fn count(&self) -> i64 {
        self.n
    }

    /// The mean, `[d]` f64.
    pub fn mean(&self) -> &Tensor {
        &self.mean
    }

    /// The unbiased covariance [d, d] f64, divided by n - 1, as the literature's FID takes it; zeros for one row.
    pub fn covariance(&self) -> Result<Tensor, EvalError> {
        Ok(torch_ext::fence(|| &self.scatter / (self.n - 1).max(1) as f64)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn merged_shards_are_the_whole() {
        tch::manual_seed(3);
        let x = Tensor::randn([101, 7], (Kind::Double, Device::Cpu)) * 3.0 + 50.0;
        let whole = FeatureMoments::of(&x).unwrap();
        let part = |first: i64, count: i64| FeatureMoments::of(&x.narrow(0, first, count)).unwrap();
        let merged = part(0, 1).merged(&part(1, 60)).unwrap().merged(&part(61, 40)).unwrap();
        assert_eq!(merged.count(), 101);
        let relative = |a: &Tensor, b: &Tensor| ((a - b).norm() / b.norm()).double_value(&[]);
        assert!(relative(merged.mean(), whole.mean()) < 1e-13);
        assert!(relative(&merged.covariance().unwrap(), &whole.covariance().unwrap()) < 1e-10);
        assert!(part(0, 3).merged(&FeatureMoments::of(&x.narrow(1, 0, 3)).unwrap()).is_err());
    }
}
