//! The Fréchet distance of two sets: |m_a - m_b|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2), the squared W2 distance of Gaussians with their means and
//! covariances (Dowson & Landau 1982; Heusel et al. 2017).

use super::grouped::{Deletions, Grouped};
use super::groups::{halves, shuffled};
use super::measured::{GROUPS, Measured, checked};
use super::moments::FeatureMoments;
use crate::EvalError;
use tch::{Kind, Tensor};

/// The distance of two sets of features.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrechetDistance {
    /// The distance of the sets' moments, as the literature reports it. Its bias is positive and of order 1/n.
    pub raw: f64,
    /// Without the bias of order 1/n, with its error over the images of both sets: none where a set has fewer than 5 rows
    /// for each feature. Up to 256 features by the jackknife over 20 groups of images, beyond by the two halves of the rows and the delta method.
    pub corrected: Option<Measured>,
}

/// Rows for each feature from which the jackknife is valid.
pub(super) const ENOUGH: i64 = 5;

/// Features beyond which the 40 distances of the jackknife take too long.
const MOST_FOR_JACKKNIFE: i64 = 256;

/// Eigenvalues below this share of the largest, for each dimension, are rounding errors of zero.
const ROUNDING: f64 = f64::EPSILON;

impl FeatureMoments {
    /// The squared distance of Gaussians with these moments.
    pub fn frechet_distance(&self, other: &FeatureMoments) -> Result<f64, EvalError> {
        if self.mean().size() != other.mean().size() {
            return Err(EvalError::mismatch(
                "features of two sets",
                self.mean().size()[0],
                other.mean().size()[0],
            ));
        }
        let (a, b) = (self.covariance()?, other.covariance()?);
        let between =
            torch_ext::fence(|| (self.mean() - other.mean()).square().sum(Kind::Double).double_value(&[]))?;
        let traces = torch_ext::fence(|| (a.trace() + b.trace()).double_value(&[]))?;
        // tr (A^1/2 B A^1/2)^1/2 is the sum of the singular values of A^1/2 B^1/2. Those of a singular covariance are right to the precision of
        // the largest; square roots of eigenvalues of the product would be right to half of its digits.
        let (a, b) = (Root::of(&a)?, Root::of(&b)?);
        let common = fallible(|| {
            Ok(a.root.matmul(&b.root).f_svd(true, false)?.1.sum(Kind::Double).double_value(&[]))
        })?;
        Ok((between + traces - 2.0 * common).max(0.0))
    }
}

/// libtorch's answer, its panics and its errors as one kind.
fn fallible<T>(body: impl FnOnce() -> Result<T, tch::TchError>) -> Result<T, EvalError> {
    Ok(torch_ext::fence(body)?.map_err(torch_ext::TorchError::from)?)
}

/// A covariance's symmetric square root and the pseudo-inverse of that.
struct Root {
    root: Tensor,
    inverse: Tensor,
}

impl Root {
    fn of(covariance: &Tensor) -> Result<Self, EvalError> {
        fallible(|| {
            let (values, vectors) = covariance.f_linalg_eigh("L")?;
            let floor = values.max() * (ROUNDING * values.size()[0] as f64);
            let kept = values.gt_tensor(&floor);
            let root = values.where_self(&kept, &values.zeros_like()).sqrt();
            let inverse = root.reciprocal().where_self(&kept, &values.zeros_like());
            let of = |values: Tensor| (&vectors * values.unsqueeze(0)).matmul(&vectors.tr());
            Ok(Root { root: of(root), inverse: of(inverse) })
        })
    }
}

/// The standard error of the raw distance over the images of both sets, to first order in 1/n (delta method): the distance changes with a row x of
/// the first set, centred, by 2 (m_a - m_b).x + x^T (1 - T) x, with T the linear map that takes the first Gaussian to the second.
fn delta_method(a: &Tensor, b: &Tensor) -> Result<f64, EvalError> {
    let [of_a, of_b] = [FeatureMoments::of(a)?, FeatureMoments::of(b)?];
    let (root_a, root_b) = (Root::of(&of_a.covariance()?)?, Root::of(&of_b.covariance()?)?);
    fallible(|| {
        let (u, values, v) = root_a.root.matmul(&root_b.root).f_svd(true, true)?;
        let map = |root: &Root, vectors: &Tensor| {
            let inner = (vectors * values.unsqueeze(0)).matmul(&vectors.tr());
            root.inverse.matmul(&inner).matmul(&root.inverse)
        };
        let variance = |x: &Tensor, own: &FeatureMoments, other: &FeatureMoments, map: Tensor| {
            let centred = x - own.mean();
            let linear = centred.matmul(&(own.mean() - other.mean())) * 2.0;
            let quadratic = (&centred * (&centred - centred.matmul(&map))).sum_dim_intlist(
                [1i64].as_slice(),
                false,
                Kind::Double,
            );
            (linear + quadratic).var(true).double_value(&[]) / x.size()[0] as f64
        };
        let both = variance(a, &of_a, &of_b, map(&root_a, &u)) + variance(b, &of_b, &of_a, map(&root_b, &v));
        Ok(both.sqrt())
    })
}

/// The distance without its bias of order 1/n, which is twice as large for half of the rows (Chong & Forsyth 2020 extrapolate to infinite n).
fn extrapolated(raw: f64, a: &Tensor, b: &Tensor) -> Result<f64, EvalError> {
    let mut of_halves = 0.0;
    for (a, b) in halves(a)?.iter().zip(&halves(b)?) {
        of_halves += FeatureMoments::of(a)?.frechet_distance(&FeatureMoments::of(b)?)? / 2.0;
    }
    Ok(2.0 * raw - of_halves)
}

/// The distance of features a [n, d] and b [m, d], n and m of at least 2.
///
/// `progress` is called before each of the further distances that the jackknife needs; it may stop them.
pub fn frechet_distance(
    a: &Tensor,
    b: &Tensor,
    progress: &mut dyn FnMut(usize, usize) -> Result<(), EvalError>,
) -> Result<FrechetDistance, EvalError> {
    let (a, b) = (checked(a, 2, Some(b))?, checked(b, 2, Some(a))?);
    let raw = FeatureMoments::of(&a)?.frechet_distance(&FeatureMoments::of(&b)?)?;
    if !(is_enough(&a) && is_enough(&b)) {
        return Ok(FrechetDistance { raw, corrected: None });
    }
    if a.size()[1] > MOST_FOR_JACKKNIFE {
        let (a, b) = (shuffled(&a)?, shuffled(&b)?);
        progress(0, 2)?;
        let value = extrapolated(raw, &a, &b)?;
        progress(1, 2)?;
        return Ok(FrechetDistance {
            raw,
            corrected: Some(Measured { value, stderr: delta_method(&a, &b)? }),
        });
    }
    let (a, b) = (Grouped::rows(&a, GROUPS)?, Grouped::rows(&b, GROUPS)?);
    Ok(FrechetDistance { raw, corrected: Some(frechet_deletions(&a, &b, progress)?.measured()) })
}

/// Whether there are rows enough for the jackknife of a Fréchet distance of features [n, d].
fn is_enough(x: &Tensor) -> bool {
    x.size()[0] >= ENOUGH * x.size()[1] && x.size()[0] >= 2 * GROUPS as i64
}

/// Whether the jackknife of a Fréchet distance is valid for a set, and takes no longer than the features did.
pub(crate) fn is_jackknifed(x: &Grouped) -> bool {
    is_enough(&x.features) && x.dim() as i64 <= MOST_FOR_JACKKNIFE
}

/// The distance of two sets, on all rows and without each group. `progress` is as in [`frechet_distance`].
pub fn frechet_deletions(
    a: &Grouped,
    b: &Grouped,
    progress: &mut dyn FnMut(usize, usize) -> Result<(), EvalError>,
) -> Result<Deletions, EvalError> {
    let [of_a, of_b] = [FeatureMoments::of(&a.features)?, FeatureMoments::of(&b.features)?];
    let (mut done, all) = (0, a.count + b.count);
    let mut without = |x: &Grouped, other: &FeatureMoments| -> Result<Vec<f64>, EvalError> {
        (0..x.count)
            .map(|group| {
                progress(done, all)?;
                done += 1;
                FeatureMoments::of(&x.without(group)?)?.frechet_distance(other)
            })
            .collect()
    };
    Ok(Deletions {
        value: of_a.frechet_distance(&of_b)?,
        without: [without(a, &of_b)?, without(b, &of_a)?],
        unbiased: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    /// The two ways to the standard error agree where both are valid.
    #[test]
    fn the_delta_method_agrees_with_the_jackknife() {
        tch::manual_seed(2);
        let scale = Tensor::arange_start(1, 65, (Kind::Double, Device::Cpu)).pow_tensor_scalar(-0.35);
        let draw = || Tensor::randn([2000, 64], (Kind::Double, Device::Cpu)) * &scale;
        let (mut ratios, mut difference) = (0.0, 0.0);
        for _ in 0..6 {
            let (a, b) = (draw(), draw() * 1.3 + 0.05);
            let found = frechet_distance(&a, &b, &mut |_, _| Ok(())).unwrap();
            let jackknifed = found.corrected.unwrap();
            ratios += delta_method(&a, &b).unwrap() / jackknifed.stderr / 6.0;
            difference +=
                (extrapolated(found.raw, &a, &b).unwrap() - jackknifed.value) / jackknifed.stderr / 6.0;
        }
        assert!((ratios - 1.0).abs() < 0.2, "{ratios}");
        assert!(difference.abs() < 1.0, "{difference} standard errors");
    }

    /// The interval of many features: as often right as it says, at 64 of them.
    #[test]
    fn the_interval_of_the_delta_method_covers_the_truth() {
        tch::manual_seed(7);
        let lambda: Vec<f64> = (1..=64).map(|i| f64::from(i).powf(-0.7)).collect();
        let truth: f64 = lambda.iter().map(|l| (1.2f64.sqrt() - 1.0).powi(2) * l).sum();
        let scale = Tensor::from_slice(&lambda).sqrt();
        let draw = || Tensor::randn([800, 64], (Kind::Double, Device::Cpu)) * &scale;
        let (runs, mut covered, mut mean) = (60, 0, 0.0);
        for _ in 0..runs {
            let (a, b) = (draw(), draw() * 1.2f64.sqrt());
            let raw =
                FeatureMoments::of(&a).unwrap().frechet_distance(&FeatureMoments::of(&b).unwrap()).unwrap();
            let (value, stderr) = (extrapolated(raw, &a, &b).unwrap(), delta_method(&a, &b).unwrap());
            covered += i32::from((value - truth).abs() <= 2.093 * stderr);
            mean += value / f64::from(runs);
        }
        assert!(covered >= 53, "{covered} of {runs} intervals cover");
        assert!((mean - truth).abs() < 0.02, "{mean}");
    }
}
