//! Which levels of a schedule are measured.

use crate::EvalError;
use crate::denoising::{coordinates, spread};
use ddpm_core::{Level, Schedule, TimeIndex};
use std::collections::BTreeSet;

/// The levels of a schedule, those that a sampler visits and those at which errors are measured; positions count from the noisiest level.
///
/// All visited levels are measured if there are no more than asked for, else an even choice of them; what is left over refines the largest
/// gaps, so that integrals are better than the visited levels alone would allow. Both ends of the schedule are measured, because the best
/// placement of levels may use any.
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

    /// Where the lowest visited level stands among the measured ones.
    pub(super) fn lowest(&self) -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;
    use ddpm_core::Grid;

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
}
