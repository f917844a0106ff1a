//! KID: the unbiased estimate of the squared maximum mean discrepancy with the kernel (x.y/d + 1)^3 (Bińkowski et al. 2018, sec. 3.1).

use super::groups::{group_of, jackknife, shuffled};
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
    let (a, b) = (shuffled(&checked(a, 2, Some(b))?)?, shuffled(&checked(b, 2, Some(a))?)?);
    let groups = GROUPS.min(a.size()[0].min(b.size()[0]) as usize / 2).max(2);
    let blocks = |x: &Tensor, y: &Tensor| (count(x) * count(y)) as usize;
    let all = blocks(&a, &a) + blocks(&b, &b) + blocks(&a, &b);
    let mut done = 0;
    let mut step = || {
        progress(done, all)?;
        done += 1;
        Ok(())
    };
    let aa = group_sums(&a, &a, true, groups, &mut step)?;
    let bb = group_sums(&b, &b, true, groups, &mut step)?;
    let ab = group_sums(&a, &b, false, groups, &mut step)?;
    let value = distance([&aa, &bb, &ab], groups, [None, None]);
    let (n, m) = (a.size()[0], b.size()[0]);
    if n < 4 || m < 4 {
        return Ok(Measured { value, stderr: f64::NAN });
    }
    let without = |set: usize| -> Vec<f64> {
        let left_out = |j| if set == 0 { [Some(j), None] } else { [None, Some(j)] };
        (0..groups).map(|j| distance([&aa, &bb, &ab], groups, left_out(j))).collect()
    };
    // Without bias: the correction of the jackknife would only add noise.
    Ok(Measured { value, ..jackknife(value, [&without(0), &without(1)]) })
}

fn count(x: &Tensor) -> i64 {
    (x.size()[0] + BLOCK - 1) / BLOCK
}

fn group_sums(
    x: &Tensor,
    y: &Tensor,
    same: bool,
    groups: usize,
    step: &mut dyn FnMut() -> Result<(), EvalError>,
) -> Result<GroupSums, EvalError> {
    let (n, m, d) = (x.size()[0], y.size()[0], x.size()[1] as f64);
    let mut sums =
        GroupSums { pairs: vec![0.0; groups * groups], diagonal: vec![0.0; groups], rows: vec![0.0; groups] };
    (0..n).for_each(|i| sums.rows[group_of(i, groups)] += 1.0);
    // The indicator of each row's group: sums over groups are products with it.
    let indicator = |first: i64, rows: i64| {
        let of: Vec<i64> = (first..first + rows).map(|i| group_of(i, groups) as i64).collect();
        Tensor::from_slice(&of).one_hot(groups as i64).to_kind(Kind::Double)
    };
    for i in (0..n).step_by(BLOCK as usize) {
        let rows = BLOCK.min(n - i);
        for j in (0..m).step_by(BLOCK as usize) {
            step()?;
            let columns = BLOCK.min(m - j);
            let (block, diagonal) = torch_ext::fence(|| {
                let products = x.narrow(0, i, rows).matmul(&y.narrow(0, j, columns).tr());
                let kernel: Tensor = (products / d + 1.0).pow_tensor_scalar(3);
                let block = indicator(i, rows).tr().matmul(&kernel).matmul(&indicator(j, columns));
                let diagonal = (same && i == j).then(|| {
                    indicator(i, rows).tr().matmul(&kernel.diagonal(0, 0, 1).unsqueeze(1)).reshape([-1])
                });
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
fn distance([aa, bb, ab]: [&GroupSums; 3], groups: usize, left_out: [Option<usize>; 2]) -> f64 {
    let kept = |set: usize, j: usize| left_out[set] != Some(j);
    let within = |sums: &GroupSums, set: usize| {
        let own = (0..groups).filter(|&j| kept(set, j));
        let rows: f64 = own.clone().map(|j| sums.rows[j]).sum();
        let diagonal: f64 = own.clone().map(|j| sums.diagonal[j]).sum();
        let pairs: f64 = own
            .clone()
            .flat_map(|i| own.clone().map(move |j| (i, j)))
            .map(|(i, j)| sums.pairs[i * groups + j])
            .sum();
        ((pairs - diagonal) / (rows * (rows - 1.0)), rows)
    };
    let ((a, n), (b, m)) = (within(aa, 0), within(bb, 1));
    let across: f64 = (0..groups)
        .filter(|&i| kept(0, i))
        .flat_map(|i| (0..groups).filter(|&j| kept(1, j)).map(move |j| (i, j)))
        .map(|(i, j)| ab.pairs[i * groups + j])
        .sum();
    a + b - 2.0 * across / (n * m)
}
