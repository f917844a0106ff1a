//! Nearest rows of another set.

use crate::EvalError;
use tch::{Kind, Tensor};

/// Rows compared at once: 2 GB hold the distances of 50,000 images to as many in blocks of this height.
const ROWS: i64 = 2000;

/// The `k` nearest rows of `set` [m, d] for each row of `queries` [n, d]: Euclidean distances [n, k] f64, the nearest first, and their indices
/// [n, k] i64. `progress` is told how many blocks of how many are done.
///
/// Fails for sets of different d, and for fewer than k rows.
pub fn nearest(
    queries: &Tensor,
    set: &Tensor,
    k: i64,
    progress: &mut dyn FnMut(usize, usize) -> Result<(), EvalError>,
) -> Result<(Tensor, Tensor), EvalError> {
    let (n, m) = (queries.size()[0], set.size()[0]);
    if queries.size()[1] != set.size()[1] {
        return Err(EvalError::mismatch("features of both sets", queries.size()[1], set.size()[1]));
    }
    if k < 1 || m < k {
        return Err(EvalError::mismatch("images to look for neighbours in", format!("at least {k}"), m));
    }
    let blocks = (n + ROWS - 1) / ROWS;
    let (mut distances, mut indices) = (Vec::new(), Vec::new());
    let set = torch_ext::fence(|| set.to_kind(Kind::Double))?;
    for block in 0..blocks {
        let rows = ROWS.min(n - block * ROWS);
        let (near, at) = torch_ext::fence(|| {
            let rows = queries.narrow(0, block * ROWS, rows).to_kind(Kind::Double);
            // Differences, not the expanded square: two equal images have the distance 0.
            Tensor::cdist(&rows, &set, 2.0, 2i64).topk(k, 1, false, true)
        })?;
        distances.push(near);
        indices.push(at);
        progress(block as usize + 1, blocks as usize)?;
    }
    Ok(torch_ext::fence(|| (Tensor::cat(&distances, 0), Tensor::cat(&indices, 0)))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_the_nearest_rows_and_a_copy_is_at_distance_0() {
        let set = Tensor::from_slice(&[0.0f32, 0.0, 3.0, 4.0, 10.0, 0.0]).reshape([3, 2]);
        let queries = Tensor::from_slice(&[3.0f32, 4.0, 9.0, 0.0]).reshape([2, 2]);
        let (near, at) = nearest(&queries, &set, 2, &mut |_, _| Ok(())).unwrap();
        assert_eq!(Vec::<Vec<i64>>::try_from(at).unwrap(), [[1, 0], [2, 1]]);
        let near = Vec::<Vec<f64>>::try_from(near).unwrap();
        assert_eq!(near[0], [0.0, 5.0]);
        assert!((near[1][0] - 1.0).abs() < 1e-12 && (near[1][1] - 52f64.sqrt()).abs() < 1e-12);
        assert!(nearest(&queries, &set, 4, &mut |_, _| Ok(())).is_err());
        assert!(nearest(&queries.narrow(1, 0, 1), &set, 1, &mut |_, _| Ok(())).is_err());
    }
}
