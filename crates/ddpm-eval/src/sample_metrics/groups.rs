//! The delete-a-group jackknife over the images of two sets.
//!
//! Resampling with replacement would add a bias of its own to a distance: the copies of an image make a set less spread.

use super::measured::Measured;
use crate::EvalError;
use tch::Tensor;

/// The rows in an order that has nothing to do with theirs, and is always the same: images in the order of a cycle of classes would otherwise make
/// groups and halves of a few classes each.
pub(super) fn shuffled(x: &Tensor) -> Result<Tensor, EvalError> {
    let mut order: Vec<i64> = (0..x.size()[0]).collect();
    order.sort_by_key(|&i| hash(i));
    Ok(torch_ext::fence(|| x.index_select(0, &Tensor::from_slice(&order)))?)
}

/// A number without visible relation to `i`: the finalizer of SplitMix64 (Steele, Lea & Flood 2014).
pub(super) fn hash(i: i64) -> u64 {
    let mut z = (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Two halves of the rows [n, d], drawn without regard to their order; one row is left out where n is odd.
pub fn halves(features: &Tensor) -> Result<[Tensor; 2], EvalError> {
    let (x, half) = (shuffled(features)?, features.size()[0] / 2);
    Ok(torch_ext::fence(|| [x.narrow(0, 0, half), x.narrow(0, half, half)])?)
}

/// The group of row `i` of shuffled rows.
pub(super) fn group_of(i: i64, groups: usize) -> usize {
    i as usize % groups
}

/// The estimate without its bias of order 1/n, and its standard error: from the value on all rows and, for each of the two sets, the values
/// without each group of it.
///
/// g F - (g - 1) mean F_(-j) removes the bias of one set (Quenouille 1956); the sets are independent, so that corrections and variances add.
pub(super) fn jackknife(value: f64, without: [&[f64]; 2]) -> Measured {
    let (mut corrected, mut variance) = (value, 0.0);
    for values in without {
        let g = values.len() as f64;
        let mean = values.iter().sum::<f64>() / g;
        corrected += (g - 1.0) * (value - mean);
        variance += (g - 1.0) / g * values.iter().map(|other| (other - mean).powi(2)).sum::<f64>();
    }
    Measured { value: corrected, stderr: variance.sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images that come class by class in turn fall into halves that hold all classes.
    #[test]
    fn halves_do_not_follow_the_order_of_the_rows() {
        let x = (Tensor::arange(2001, (tch::Kind::Double, tch::Device::Cpu)).remainder(2.0)).unsqueeze(1);
        let [a, b] = halves(&x).unwrap();
        assert_eq!((a.size(), b.size()), (vec![1000, 1], vec![1000, 1]));
        for half in [a, b] {
            let odd = half.mean(tch::Kind::Double).double_value(&[]);
            assert!((odd - 0.5).abs() < 0.06, "{odd}");
        }
    }

    /// The plug-in variance of a set, whose bias is exactly -variance/n, becomes unbiased; its error is that of a mean for a linear statistic.
    #[test]
    fn the_bias_of_a_variance_goes_and_the_error_of_a_mean_is_known() {
        let x: Vec<f64> = (0..40).map(|i| f64::from((i * 7919) % 101)).collect();
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        let variance = |x: &[f64]| x.iter().map(|v| (v - mean(x)).powi(2)).sum::<f64>() / x.len() as f64;
        let without = |statistic: &dyn Fn(&[f64]) -> f64| -> Vec<f64> {
            let kept = |j| (0..x.len()).filter(move |i| group_of(*i as i64, 40) != j);
            (0..40).map(|j| statistic(&kept(j).map(|i| x[i]).collect::<Vec<_>>())).collect()
        };
        let unbiased = variance(&x) * 40.0 / 39.0;
        let found = jackknife(variance(&x), [&without(&variance), &[0.0; 2].map(|_| variance(&x))]);
        assert!((found.value - unbiased).abs() < 1e-9 * unbiased, "{found:?} {unbiased}");
        let of_mean = jackknife(mean(&x), [&without(&mean), &[mean(&x); 2]]);
        assert!((of_mean.stderr - (unbiased / 40.0).sqrt()).abs() < 1e-9);
    }
}
