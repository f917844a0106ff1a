//! At which levels of a schedule errors are measured.

use crate::EvalError;
use ddpm_core::{Level, Schedule, TimeIndex};
use std::collections::BTreeSet;

/// Log-SNRs are clamped to this range: beyond it the error is that of pure noise or of clean data.
const EXTREME_LOG_SNR: f64 = 20.0;

/// The levels of a schedule, those that a sampler visits and those at which errors are measured; positions count from the noisiest level.
///
/// All visited levels are measured if there are no more than asked for, else an even choice of them. Levels that are left over refine the
/// largest gaps, because integrals over the noise level need more levels than a short sampler visits. Both ends of the schedule are measured,
/// because the best placement of levels may use any.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelPlan {
    all: Vec<Level>,
    visited: Vec<usize>,
    measured: Vec<usize>,
}

impl LevelPlan {
    /// For a sampler that visits `timesteps`, the noisiest first; `count` measured levels, 0 for all.
    pub fn new(schedule: &Schedule, timesteps: &[TimeIndex], count: usize) -> Result<Self, EvalError> {
        let all: Vec<Level> = schedule.levels().rev().collect();
        let last = all.len() - 1;
        let position = |t: &TimeIndex| {
            let t = t.0 as usize;
            if t <= last {
                return Ok(last - t);
            }
            Err(EvalError::mismatch("visited timestep", format!("at most {last}"), t))
        };
        let visited = timesteps.iter().map(position).collect::<Result<Vec<usize>, EvalError>>()?;
        if visited.is_empty() {
            return Err(EvalError::mismatch("visited levels", "at least 1", 0));
        }
        if !visited.is_sorted_by(|a, b| a < b) {
            return Err(EvalError::mismatch("visited timesteps", "the noisiest first", "another order"));
        }
        let count = if count == 0 { all.len() } else { count.min(all.len()) };
        let levels: Vec<Level> = visited.iter().map(|&p| all[p]).collect();
        let mut measured: BTreeSet<usize> =
            spread(&levels, count).into_iter().map(|k| visited[k]).chain([0, last]).collect();
        let coordinates = coordinates(&all);
        while measured.len() < count {
            let Some(next) = middle_of_the_largest_gap(&measured, &coordinates) else { break };
            measured.insert(next);
        }
        Ok(LevelPlan { all, visited, measured: measured.into_iter().collect() })
    }

    /// All levels of the schedule.
    pub fn all(&self) -> &[Level] {
        &self.all
    }

    /// Positions of the visited ones.
    pub fn visited(&self) -> &[usize] {
        &self.visited
    }

    /// Positions of the measured ones.
    pub fn measured(&self) -> &[usize] {
        &self.measured
    }

    /// The visited levels.
    pub fn visited_levels(&self) -> Vec<Level> {
        self.visited.iter().map(|&p| self.all[p]).collect()
    }

    /// The measured levels.
    pub fn measured_levels(&self) -> Vec<Level> {
        self.measured.iter().map(|&p| self.all[p]).collect()
    }

    /// 1 at the visited levels of the schedule and 0 at the others.
    pub fn visited_indicator(&self) -> Vec<f64> {
        let mut indicator = vec![0.0; self.all.len()];
        self.visited.iter().for_each(|&position| indicator[position] = 1.0);
        indicator
    }

    /// Where the lowest visited level stands among the measured ones.
    pub fn lowest(&self) -> usize {
        let lowest = self.visited.last().copied().unwrap_or_default();
        self.measured.partition_point(|&p| p < lowest)
    }
}

fn middle_of_the_largest_gap(measured: &BTreeSet<usize>, coordinates: &[f64]) -> Option<usize> {
    let pairs = measured.iter().zip(measured.iter().skip(1)).filter(|(a, b)| *b - *a > 1);
    let (&low, &high) = pairs.max_by(|a, b| {
        let width = |(low, high): &(&usize, &usize)| coordinates[**high] - coordinates[**low];
        width(a).total_cmp(&width(b))
    })?;
    let middle = 0.5 * (coordinates[low] + coordinates[high]);
    (low + 1..high)
        .min_by(|&a, &b| (coordinates[a] - middle).abs().total_cmp(&(coordinates[b] - middle).abs()))
}

/// Positions of `count` of the `visited` levels, both ends included; all of them if `count` is 0 or not smaller.
///
/// They are evenly spaced in the mean of two coordinates, each scaled to its extent: the position, in which the classical training term
/// and the loss are sums, and the log-SNR, in which the curve is smooth and information is an integral. Even spacing in the position alone
/// would leave a factor of 100 between the last two levels of the linear schedule.
fn spread(visited: &[Level], count: usize) -> Vec<usize> {
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
fn coordinates(levels: &[Level]) -> Vec<f64> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use ddpm_core::Grid;
    use proptest::prelude::*;

    #[test]
    fn visited_levels_come_first_and_the_rest_fills_gaps() {
        let schedule = Schedule::linear(1000).unwrap();
        let plan = |steps, count, grid: Grid| {
            LevelPlan::new(&schedule, &grid.visit(&schedule, steps).unwrap(), count).unwrap()
        };
        let few = plan(10, 40, Grid::Leading);
        assert_eq!(few.measured().len(), 40);
        assert!(few.visited().iter().all(|p| few.measured().contains(p)));
        assert!(few.measured().contains(&0) && few.measured().contains(&999));
        assert_eq!(few.measured_levels()[few.lowest()], few.visited_levels()[9]);
        let widest = |plan: &LevelPlan| {
            let levels = plan.measured_levels();
            levels.windows(2).map(|p| p[1].log_snr() - p[0].log_snr()).fold(0.0, f64::max)
        };
        assert!(widest(&few) < 0.5 * widest(&plan(10, 10, Grid::Leading)));

        let many = plan(1000, 25, Grid::Trailing);
        assert_eq!((many.measured().len(), many.lowest()), (25, 24));
        assert_eq!(plan(1000, 0, Grid::Trailing).measured().len(), 1000);
        // The lowest visited level is not the schedule's.
        assert_eq!(plan(4, 4, Grid::Trailing).measured(), [0, 250, 500, 750, 999]);
        assert_eq!(plan(4, 4, Grid::Trailing).lowest(), 3);
        let rising = [TimeIndex(3), TimeIndex(8)];
        assert!(LevelPlan::new(&schedule, &rising, 5).is_err());
        assert!(LevelPlan::new(&schedule, &[TimeIndex(1000)], 5).is_err());
    }

    fn visited(schedule: &Schedule) -> Vec<Level> {
        schedule.levels().rev().collect()
    }

    proptest! {
        #[test]
        fn both_ends_and_as_many_levels_as_asked_for_are_measured(steps in 2usize..1200, count in 2usize..80) {
            let visited = visited(&Schedule::linear_between(1e-4, 0.02, steps).unwrap());
            let positions = spread(&visited, count);
            prop_assert_eq!((positions[0], positions[positions.len() - 1]), (0, steps - 1));
            prop_assert_eq!(positions.len(), count.min(steps));
            prop_assert!(positions.windows(2).all(|pair| pair[0] < pair[1]));
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
    fn no_more_levels_are_measured_than_are_visited() {
        let four = visited(&Schedule::linear(40).unwrap())[..4].to_vec();
        assert_eq!(spread(&four, 0), [0, 1, 2, 3]);
        assert_eq!(spread(&four[..1], 5), [0]);
    }

    #[test]
    fn a_level_without_signal_has_a_place() {
        let schedule = Schedule::linear(100).unwrap().with_zero_terminal_snr().unwrap();
        let positions = spread(&visited(&schedule), 10);
        assert_eq!((positions.len(), positions[9]), (10, 99));
    }
}
