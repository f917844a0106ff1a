//! KID: the unbiased estimate of the squared maximum mean discrepancy with the kernel (x.y/d + 1)^3 (Bińkowski et al. 2018, sec. 3.1).

use super::grouped::{Deletions, Grouped};
use super::measured::{GROUPS, Measured, checked};
use crate::EvalError;
use tch::{Kind, Tensor};

/// Rows of a block of the kernel matrix: 1000 x 1000 numbers are 8 MB.
const BLOCK: i64 = 1000;

/// Sums of the kernel over pairs of groups, and over the diagonal of each group.
struct GroupSums {
    pairs: Vec<f64>,
    diagonal: Vec<f64>,
    rows: Vec<f64>,
}

/// The distance of features a [n, d] and b [m, d], n and m of at least 2, with its standard error over the images of both sets. All pairs are used:
/// the estimate has no bias, and may be negative. Its error is that of a delete-a-group jackknife.
///
/// `progress` is told how many of the blocks of the kernel matrices are done; it may stop them.
pub fn kernel_distance(
    a: &Tensor,
    b: &Tensor,
    progress: &mut dyn FnMut(usize, usize) -> Result<(), EvalError>,
) -> Result<Measured, EvalError> {
    let (a, b) = (checked(a, 2, Some(b))?, checked(b, 2, Some(a))?);
    let groups = GROUPS.min(a.size()[0].min(b.size()[0]) as usize / 2).max(2);
    let (a, b) = (Grouped::rows(&a, groups)?, Grouped::rows(&b, groups)?);
    let found = kernel_deletions(&a, &b, progress)?;
    if a.len() < 4 || b.len() < 4 {
        return Ok(Measured { value: found.raw(), stderr: f64::NAN });
    }
    Ok(found.measured())
}

/// The distance of two sets, on all rows and without each group. `progress` is as in [`kernel_distance`].
pub fn kernel_deletions(
    a: &Grouped,
    b: &Grouped,
    progress: &mut dyn FnMut(usize, usize) -> Result<(), EvalError>,
) -> Result<Deletions, EvalError> {
    let blocks = |x: &Grouped, y: &Grouped| (count(&x.features) * count(&y.features)) as usize;
    let all = blocks(a, a) + blocks(b, b) + blocks(a, b);
    let mut done = 0;
    let mut step = || {
        progress(done, all)?;
        done += 1;
        Ok(())
    };
    let sums = [
        group_sums(a, a, true, &mut step)?,
        group_sums(b, b, true, &mut step)?,
        group_sums(a, b, false, &mut step)?,
    ];
    let of = |left_out| distance(&sums, [a.count, b.count], left_out);
    Ok(Deletions {
        value: of([None, None]),
        without: [
            (0..a.count).map(|j| of([Some(j), None])).collect(),
            (0..b.count).map(|j| of([None, Some(j)])).collect(),
        ],
        unbiased: true,
    })
}

fn count(x: &Tensor) -> i64 {
    (x.size()[0] + BLOCK - 1) / BLOCK
}

fn group_sums(
    x: &Grouped,
    y: &Grouped,
    same: bool,
    step: &mut dyn FnMut() -> Result<(), EvalError>,
) -> Result<GroupSums, EvalError> {
    let (n, m, d) = (x.len() as i64, y.len() as i64, x.dim() as f64);
    let mut sums = GroupSums {
        pairs: vec![0.0; x.count * y.count],
        diagonal: vec![0.0; x.count],
        rows: vec![0.0; x.count],
    };
    x.groups.iter().for_each(|&group| sums.rows[group] += 1.0);
    // The indicator of each row's group: sums over groups are products with it.
    let indicator = |set: &Grouped, first: i64, rows: i64| {
        set.indices(first, rows).one_hot(set.count as i64).to_kind(Kind::Double)
    };
    for i in (0..n).step_by(BLOCK as usize) {
        let rows = BLOCK.min(n - i);
        for j in (0..m).step_by(BLOCK as usize) {
            step()?;
            let columns = BLOCK.min(m - j);
            let (block, diagonal) = torch_ext::fence(|| {
                let products = x.features.narrow(0, i, rows).matmul(&y.features.narrow(0, j, columns).tr());
                let kernel: Tensor = (products / d + 1.0).pow_tensor_scalar(3);
                let of_rows = indicator(x, i, rows).tr();
                let block = of_rows.matmul(&kernel).matmul(&indicator(y, j, columns));
                let diagonal = (same && i == j)
                    .then(|| of_rows.matmul(&kernel.diagonal(0, 0, 1).unsqueeze(1)).reshape([-1]));
                (block, diagonal)
            })?;
            add(&mut sums.pairs, &block)?;
            if let Some(diagonal) = diagonal {
                add(&mut sums.diagonal, &diagonal)?;
            }
        }
    }
    Ok(sums)
}

fn add(to: &mut [f64], from: &Tensor) -> Result<(), EvalError> {
    let values: Vec<f64> =
        Vec::try_from(from.contiguous().reshape([-1])).map_err(torch_ext::TorchError::from)?;
    to.iter_mut().zip(values).for_each(|(to, from)| *to += from);
    Ok(())
}

/// The unbiased estimate from the sums, without a group of the first or of the second set.
fn distance([aa, bb, ab]: &[GroupSums; 3], groups: [usize; 2], left_out: [Option<usize>; 2]) -> f64 {
    let kept = |set: usize| (0..groups[set]).filter(move |&j| left_out[set] != Some(j));
    let within = |sums: &GroupSums, set: usize| {
        let rows: f64 = kept(set).map(|j| sums.rows[j]).sum();
        let diagonal: f64 = kept(set).map(|j| sums.diagonal[j]).sum();
        let pairs: f64 = kept(set)
            .flat_map(|i| kept(set).map(move |j| (i, j)))
            .map(|(i, j)| sums.pairs[i * groups[set] + j])
            .sum();
        ((pairs - diagonal) / (rows * (rows - 1.0)), rows)
    };
    let ((a, n), (b, m)) = (within(aa, 0), within(bb, 1));
    let across: f64 =
        kept(0).flat_map(|i| kept(1).map(move |j| (i, j))).map(|(i, j)| ab.pairs[i * groups[1] + j]).sum();
    a + b - 2.0 * across / (n * m)
}
