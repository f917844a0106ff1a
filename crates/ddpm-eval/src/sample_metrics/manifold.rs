//! Precision and recall (Kynkäänniemi et al. 2019) and density and coverage (Naeem et al. 2020), by the distances to the k nearest neighbours.

use super::measured::checked;
use crate::EvalError;
use tch::{Kind, Tensor};

/// Neighbours of precision and recall.
pub(super) const PRECISION_NEIGHBOURS: i64 = 3;
/// Neighbours of density and coverage.
pub(super) const DENSITY_NEIGHBOURS: i64 = 5;
/// Rows of a block of distances: with 50,000 columns of f64 a block takes 200 MB.
const BLOCK: i64 = 500;

/// How two sets overlap; a is the generated set, b the real one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ManifoldMetrics {
    /// Share of a that lies in the balls around b up to each one's third neighbour.
    pub precision: f64,
    /// Share of b that lies in the balls around a.
    pub recall: f64,
    /// Mean number of balls around b, up to the fifth neighbour, in which a row of a lies, divided by 5. It may exceed 1.
    pub density: f64,
    /// Share of those balls that hold a row of a.
    pub coverage: f64,
}

/// Of features a [n, d] and b [m, d], more than 5 rows each.
///
/// `progress` is told how many of the blocks of distances are done; it may stop them.
pub fn manifold_metrics(
    a: &Tensor,
    b: &Tensor,
    progress: &mut dyn FnMut(usize, usize) -> Result<(), EvalError>,
) -> Result<ManifoldMetrics, EvalError> {
    let least = DENSITY_NEIGHBOURS + 1;
    let (a, b) = (checked(a, least, Some(b))?, checked(b, least, Some(a))?);
    let blocks = |x: &Tensor| ((x.size()[0] + BLOCK - 1) / BLOCK) as usize;
    let all = 2 * (blocks(&a) + blocks(&b));
    let mut done = 0;
    let mut step = || {
        progress(done, all)?;
        done += 1;
        Ok(())
    };
    let [around_b, wide_b] = radii(&b, [PRECISION_NEIGHBOURS, DENSITY_NEIGHBOURS], &mut step)?;
    let [around_a, _] = radii(&a, [PRECISION_NEIGHBOURS, DENSITY_NEIGHBOURS], &mut step)?;
    let (mut precise, mut dense) = (0.0, 0.0);
    for_blocks(&a, &b, &mut step, &mut |distances| {
        let inside = |radii: &Tensor| distances.le_tensor(&radii.unsqueeze(0));
        precise += inside(&around_b).any_dim(1, false).sum(Kind::Double).double_value(&[]);
        dense += inside(&wide_b).sum(Kind::Double).double_value(&[]);
    })?;
    let (mut recalled, mut covered, mut first) = (0.0, 0.0, 0);
    for_blocks(&b, &a, &mut step, &mut |distances| {
        let rows = distances.size()[0];
        recalled +=
            distances.le_tensor(&around_a.unsqueeze(0)).any_dim(1, false).sum(Kind::Double).double_value(&[]);
        let nearest = distances.amin([1i64].as_slice(), false);
        covered += nearest.le_tensor(&wide_b.narrow(0, first, rows)).sum(Kind::Double).double_value(&[]);
        first += rows;
    })?;
    let (n, m) = (a.size()[0] as f64, b.size()[0] as f64);
    Ok(ManifoldMetrics {
        precision: precise / n,
        recall: recalled / m,
        density: dense / (DENSITY_NEIGHBOURS as f64 * n),
        coverage: covered / m,
    })
}

/// The distance of each row to its k-th other row, for two numbers k.
fn radii(
    x: &Tensor,
    k: [i64; 2],
    step: &mut dyn FnMut() -> Result<(), EvalError>,
) -> Result<[Tensor; 2], EvalError> {
    let mut parts = [Vec::new(), Vec::new()];
    for_blocks(x, x, step, &mut |distances| {
        for (k, parts) in k.into_iter().zip(&mut parts) {
            // The nearest row is the row itself, at distance 0.
            parts.push(distances.kthvalue(k + 1, 1, false).0);
        }
    })?;
    let [a, b] = parts;
    Ok(torch_ext::fence(|| [Tensor::cat(&a, 0), Tensor::cat(&b, 0)])?)
}

/// Calls `take` with the distances [rows, m] of each block of rows of x to all rows of y.
fn for_blocks(
    x: &Tensor,
    y: &Tensor,
    step: &mut dyn FnMut() -> Result<(), EvalError>,
    take: &mut dyn FnMut(&Tensor),
) -> Result<(), EvalError> {
    let n = x.size()[0];
    for first in (0..n).step_by(BLOCK as usize) {
        step()?;
        torch_ext::fence(|| {
            // Differences, not products: two equal rows have the distance 0.
            let distances = Tensor::cdist(&x.narrow(0, first, BLOCK.min(n - first)), y, 2.0, 2);
            take(&distances);
        })?;
    }
    Ok(())
}
