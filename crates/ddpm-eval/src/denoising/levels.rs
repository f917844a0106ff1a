//! At which of the visited levels a curve is measured, and how its sum over all of them follows.

/// Positions of `count` of `visited` levels, evenly spaced with both ends; all of them if `count` is 0 or not smaller.
pub fn evenly_spaced(visited: usize, count: usize) -> Vec<usize> {
    if count == 0 || count >= visited {
        return (0..visited).collect();
    }
    if count == 1 {
        return vec![0];
    }
    (0..count).map(|k| (k * (visited - 1) + (count - 1) / 2) / (count - 1)).collect()
}

/// Weights w such that sum_k w_k f(positions[k]) is the sum over all `visited` positions of f interpolated linearly between the measured
/// ones: each position hands its weight 1 to its two measured neighbours. Exact where everything is measured.
///
/// `positions` ascend; beyond the outermost f is held constant.
pub fn sum_weights(visited: usize, positions: &[usize]) -> Vec<f64> {
    let mut weights = vec![0.0; positions.len()];
    if positions.is_empty() {
        return weights;
    }
    let last = positions.len() - 1;
    for position in 0..visited {
        // The number of measured positions at or below this one.
        let above = positions.partition_point(|&p| p <= position);
        if above == 0 {
            weights[0] += 1.0;
        } else if above > last {
            weights[last] += 1.0;
        } else {
            let (low, high) = (positions[above - 1], positions[above]);
            let share = (position - low) as f64 / (high - low) as f64;
            weights[above - 1] += 1.0 - share;
            weights[above] += share;
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_ends_are_measured_and_sums_of_linear_functions_are_exact(visited in 2usize..1200, count in 2usize..80) {
            let positions = evenly_spaced(visited, count);
            prop_assert_eq!((positions[0], positions[positions.len() - 1]), (0, visited - 1));
            prop_assert_eq!(positions.len(), count.min(visited));
            prop_assert!(positions.windows(2).all(|pair| pair[0] < pair[1]));
            let gaps: Vec<usize> = positions.windows(2).map(|pair| pair[1] - pair[0]).collect();
            prop_assert!(gaps.iter().max().unwrap() - gaps.iter().min().unwrap() <= 1);
            let weights = sum_weights(visited, &positions);
            let f = |x: usize| 3.0 - 0.25 * x as f64;
            let all: f64 = (0..visited).map(f).sum();
            let weighted: f64 = positions.iter().zip(&weights).map(|(&p, w)| w * f(p)).sum();
            prop_assert!((weighted - all).abs() < 1e-9 * (1.0 + all.abs()));
        }
    }

    #[test]
    fn where_everything_is_measured_every_weight_is_one() {
        assert_eq!(evenly_spaced(4, 0), [0, 1, 2, 3]);
        assert_eq!(sum_weights(4, &[0, 1, 2, 3]), [1.0; 4]);
        assert_eq!(evenly_spaced(1, 5), [0]);
        assert_eq!(sum_weights(5, &[2]), [5.0]);
        assert!(sum_weights(5, &[]).is_empty());
    }
}
