//! Posteriors of the laws of `ddpm_core::targets`, point by point, to test against.

use super::ideal_denoiser::TargetPosterior;
use ddpm_core::Level;
use ddpm_core::Target;
use tch::{Kind, Tensor};

/// Mean [n, d], variance `[n]` and log density `[n]` of rows `x_t` [n, ...], all f64.
pub(super) fn posterior(target: &Target, x_t: &Tensor, level: &Level) -> TargetPosterior {
    let rows = x_t.to_kind(Kind::Double).reshape([x_t.size()[0], -1]);
    let points: Vec<Vec<f64>> = Vec::try_from(rows.shallow_clone()).unwrap();
    let parts: Vec<_> = points.iter().map(|x| target.at(x, level)).collect();
    let of = |f: fn(&ddpm_core::targets::Conditional) -> f64| {
        Tensor::from_slice(&parts.iter().map(f).collect::<Vec<_>>())
    };
    let means: Vec<f64> = parts.iter().flat_map(|part| part.mean.iter().copied()).collect();
    TargetPosterior {
        mean: Tensor::from_slice(&means).reshape(rows.size()),
        variance: of(|part| part.variance),
        log_density: of(|part| part.log_density),
    }
}

pub(super) fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    let flat = |t: &Tensor| t.to_kind(Kind::Double).reshape([-1]);
    (flat(a) - flat(b)).abs().max().double_value(&[])
}

/// Panics where the posteriors differ by more than `bound` in the mean or, relative to 1 + its size, in another quantity.
pub(super) fn assert_close(got: &TargetPosterior, expected: &TargetPosterior, bounds: [f64; 3], what: &str) {
    let relative =
        |a: &Tensor, b: &Tensor| largest_difference(&(a / (b.abs() + 1.0)), &(b / (b.abs() + 1.0)));
    let differences = [
        largest_difference(&got.mean, &expected.mean),
        relative(&got.variance, &expected.variance),
        relative(&got.log_density, &expected.log_density),
    ];
    for (name, (difference, bound)) in
        ["mean", "variance", "log density"].iter().zip(differences.iter().zip(bounds))
    {
        assert!(*difference <= bound, "{what}: {name} differs by {difference:e}, allowed {bound:e}");
    }
}
