//! At which of the visited levels a curve is measured, and how its sum over all of them follows.

use ddpm_core::Level;

/// Log-SNRs beyond this count as this: there is nothing left to see.
const EXTREME_LOG_SNR: f64 = 20.0;

/// Positions of `count` of the `visited` levels, both ends included; all of them if `count` is 0 or not smaller.
///
/// They are evenly spaced in the mean of two coordinates, each scaled to its extent: the position, in which the classical training term
/// and the loss are sums, and the log-SNR, in which the curve is smooth and information is an integral. Even spacing in the position alone
/// would leave a factor of 100 between the last two levels of the linear schedule.
pub fn spread(visited: &[Level], count: usize) -> Vec<usize> {
    let n = visited.len();
    if count == 0 || count >= n {
        return (0..n).collect();
    }
    if count == 1 {
        return vec![0];
    }
    let coordinates = coordinates(visited);
    let mut positions = vec![0];
    for k in 1..count {
        let target = k as f64 / (count - 1) as f64;
        // Strictly above the last one, and low enough to leave room for those that follow.
        let (low, high) = (positions[k - 1] + 1, n - (count - k));
        let nearest = (low..=high)
            .min_by(|&a, &b| (coordinates[a] - target).abs().total_cmp(&(coordinates[b] - target).abs()));
        positions.extend(nearest);
    }
    positions
}

/// Where each of several levels stands between the first, 0, and the last, 1: the mean of position and log-SNR, each scaled to its extent.
pub(crate) fn coordinates(levels: &[Level]) -> Vec<f64> {
    let log_snr: Vec<f64> =
        levels.iter().map(|level| level.log_snr().clamp(-EXTREME_LOG_SNR, EXTREME_LOG_SNR)).collect();
    let Some((first, last)) = log_snr.first().zip(log_snr.last()) else { return Vec::new() };
    let extent = last - first;
    let of = |(k, x): (usize, &f64)| {
        let position = k as f64 / (levels.len() - 1).max(1) as f64;
        if extent > 0.0 { 0.5 * (position + (x - first) / extent) } else { position }
    };
    log_snr.iter().enumerate().map(of).collect()
}

/// Weights w such that sum_k w_k f(p_k) over the `positions` p_k is the sum over all `visited` positions of f interpolated linearly between the measured
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
    use ddpm_core::Schedule;
    use proptest::prelude::*;

    fn visited(schedule: &Schedule) -> Vec<Level> {
        schedule.levels().rev().collect()
    }

    proptest! {
        #[test]
        fn both_ends_are_measured_and_sums_of_linear_functions_are_exact(steps in 2usize..1200, count in 2usize..80) {
            let visited = visited(&Schedule::linear_between(1e-4, 0.02, steps).unwrap());
            let positions = spread(&visited, count);
            prop_assert_eq!((positions[0], positions[positions.len() - 1]), (0, steps - 1));
            prop_assert_eq!(positions.len(), count.min(steps));
            prop_assert!(positions.windows(2).all(|pair| pair[0] < pair[1]));
            let weights = sum_weights(steps, &positions);
            let f = |x: usize| 3.0 - 0.25 * x as f64;
            let all: f64 = (0..steps).map(f).sum();
            let weighted: f64 = positions.iter().zip(&weights).map(|(&p, w)| w * f(p)).sum();
            prop_assert!((weighted - all).abs() < 1e-9 * (1.0 + all.abs()));
        }
    }

    #[test]
    fn neither_coordinate_has_gaps_of_much_more_than_twice_the_even_ones() {
        for schedule in [Schedule::linear(1000).unwrap(), Schedule::cosine(1000).unwrap()] {
            let visited = visited(&schedule);
            let positions = spread(&visited, 51);
            let range = visited[999].log_snr() - visited[0].log_snr();
            for pair in positions.windows(2) {
                assert!(pair[1] - pair[0] <= 41, "{pair:?}");
                let gap = visited[pair[1]].log_snr() - visited[pair[0]].log_snr();
                // Neighbouring levels may be further apart than that by themselves.
                assert!(pair[1] - pair[0] == 1 || gap <= 2.5 * range / 50.0, "{pair:?} {gap}");
            }
        }
    }

    #[test]
    fn where_everything_is_measured_every_weight_is_one() {
        let four = visited(&Schedule::linear(40).unwrap())[..4].to_vec();
        assert_eq!(spread(&four, 0), [0, 1, 2, 3]);
        assert_eq!(spread(&four[..1], 5), [0]);
        assert_eq!(sum_weights(4, &[0, 1, 2, 3]), [1.0; 4]);
        assert_eq!(sum_weights(5, &[2]), [5.0]);
        assert!(sum_weights(5, &[]).is_empty());
    }

    #[test]
    fn a_level_without_signal_has_a_place() {
        let schedule = Schedule::linear(100).unwrap().with_zero_terminal_snr().unwrap();
        let positions = spread(&visited(&schedule), 10);
        assert_eq!((positions.len(), positions[9]), (10, 99));
    }
}
