//! Quantiles of a mixture of Gaussians in one dimension.

/// The x below which a mixture of (weight, mean, std) has the mass that N(0, 1) has below `z`.
pub(super) fn quantile(noised: &[(f64, f64, f64)], z: f64) -> f64 {
    // Work in the nearer tail, where the mass keeps its digits.
    let side = if z > 0.0 { -1.0 } else { 1.0 };
    let tail = |u: f64| 0.5 * libm::erfc(-u / std::f64::consts::SQRT_2);
    let wanted = tail(side * z);
    let mass = |x: f64| -> f64 { noised.iter().map(|(w, m, s)| w * tail(side * (x - m) / s)).sum() };
    let ends = noised.iter().map(|(_, m, s)| m + s * z);
    let (mut low, mut high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
    // The quantile of a mixture lies between those of its components; 80 halvings reach the spacing of f64.
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        let below = (mass(middle) < wanted) == (side > 0.0);
        if below { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}
