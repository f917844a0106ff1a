//! By how much each change of the sampler or the denoiser would reduce the error, from the model's error curve.

use super::placement::{Placement, ScheduleCurve};
use crate::{CoreError, Grid, Variance};

/// A measured model on a schedule: its error and the floor it is measured against at every level, the noisiest first.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredModel {
    /// The floor m, at all levels of the schedule.
    pub floor: ScheduleCurve,
    /// The model's error at the same levels.
    pub mse: Vec<f64>,
    /// The initialization term in nats, or its best estimate.
    pub init: f64,
    /// The grid in use.
    pub grid: Grid,
    /// Positions of the levels in use among those of the floor, where they are chosen one by one and not the grid's.
    pub chosen: Option<Vec<usize>>,
    /// Levels visited.
    pub steps: usize,
    /// The variance in use.
    pub variance: Variance,
    /// Other variances that may be recommended: those whose difference from the one in use is known well enough.
    pub others: Vec<Variance>,
}

/// What other settings would cost. Terms of different numbers of steps are compared down to one lowest level, that of the schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// Initialization, discretization and training as they are, in nats.
    pub now: [f64; 3],
    /// Discretization and training with each fixed or fitted variance on the same levels.
    pub by_variance: Vec<(Variance, f64, f64)>,
    /// The variance with the least sum of the two, of the one in use and the others that may be recommended.
    pub best_variance: Variance,
    /// Discretization and training of the setting in use, continued to the lowest level of the schedule in one more step where its grid
    /// stops above it.
    pub down_to_the_lowest: [f64; 2],
    /// The best placement of as many levels with the best variance.
    pub placement: Placement,
    /// The fewest steps of the grid, continued to the lowest level, at which discretization with the best variance is below the training error;
    /// None where even all levels do not reach that.
    pub enough_steps: Option<usize>,
    /// Discretization with all training levels visited and the best variance: what more steps cannot remove.
    pub discretization_of_all: f64,
    /// Training on the best placement, with the best variance.
    pub placement_training: f64,
    /// Training with all training levels visited and the best variance.
    pub training_of_all: f64,
}

impl MeasuredModel {
    /// Works the advice out.
    pub fn advise(&self) -> Result<Advice, CoreError> {
        let positions = match &self.chosen {
            Some(chosen) => chosen.clone(),
            None => self.positions(self.steps)?,
        };
        let terms = |positions: &[usize], variance| -> Result<(f64, f64), CoreError> {
            let training = self.floor.training(positions, variance, &self.mse)?;
            Ok((self.floor.discretization(positions, variance)?, training))
        };
        let mut by_variance = Vec::new();
        for variance in [Variance::FixedSmall, Variance::FixedLarge, Variance::Analytic] {
            let (discretization, training) = terms(&positions, variance)?;
            by_variance.push((variance, discretization, training));
        }
        let allowed = |v: Variance| v == self.variance || self.others.contains(&v);
        let best = by_variance
            .iter()
            .copied()
            .filter(|(variance, ..)| allowed(*variance))
            .min_by(|a, b| (a.1 + a.2).total_cmp(&(b.1 + b.2)));
        let best_variance = best.map_or(self.variance, |(variance, ..)| variance);
        let (discretization, training) = terms(&positions, self.variance)?;
        let continued = terms(&self.floor.down_to_the_lowest(positions), self.variance)?;
        let all = self.floor.levels().len();
        let enough = |steps: usize| -> Result<bool, CoreError> {
            let down = self.floor.down_to_the_lowest(self.positions(steps)?);
            let (discretization, training) = terms(&down, best_variance)?;
            Ok(discretization <= training)
        };
        let placement = self.floor.best_placement(self.steps, best_variance)?;
        let placement_training = self.floor.training(&placement.positions, best_variance, &self.mse)?;
        let every: Vec<usize> = (0..all).collect();
        let (discretization_of_all, training_of_all) = terms(&every, best_variance)?;
        Ok(Advice {
            now: [self.init, discretization, training],
            by_variance,
            best_variance,
            down_to_the_lowest: continued.into(),
            placement,
            placement_training,
            enough_steps: first_where(2, all, enough)?,
            discretization_of_all,
            training_of_all,
        })
    }

    /// Positions (the noisiest first) of the grid's levels.
    pub fn positions(&self, steps: usize) -> Result<Vec<usize>, CoreError> {
        let all = self.floor.levels().len();
        let timesteps = match self.grid {
            Grid::Leading | Grid::Linspace | Grid::Trailing | Grid::Quadratic => {
                self.grid.timesteps(all, steps)?
            }
            // Placed by noise: the schedule is rebuilt from its levels.
            Grid::LogSnr | Grid::Karras => {
                let log_snr = self.floor.levels().iter().rev().map(crate::Level::log_snr).collect();
                let schedule = crate::Schedule::from_log_snr(crate::Scale::VariancePreserving, log_snr)?;
                self.grid.visit(&schedule, steps)?
            }
        };
        Ok(timesteps.into_iter().map(|t| all - 1 - t.0 as usize).collect())
    }
}

/// The least n in low..=high where `holds`, which stays true once it is; found by doubling and halving.
fn first_where(
    low: usize,
    high: usize,
    holds: impl Fn(usize) -> Result<bool, CoreError>,
) -> Result<Option<usize>, CoreError> {
    let (mut fails, mut probe) = (low - 1, low);
    while !holds(probe)? {
        if probe == high {
            return Ok(None);
        }
        fails = probe;
        probe = (2 * probe).min(high);
    }
    let mut works = probe;
    while works - fails > 1 {
        let middle = usize::midpoint(works, fails);
        if holds(middle)? { works = middle } else { fails = middle }
    }
    Ok(Some(works))
}

impl Advice {
    /// The sum of the three terms in use, in nats.
    pub fn total(&self) -> f64 {
        self.now.iter().sum()
    }

    /// The total of the setting in use, continued to the lowest level of the schedule: what other levels are compared with.
    pub fn compared_total(&self) -> f64 {
        self.now[0] + self.down_to_the_lowest.iter().sum::<f64>()
    }

    /// Shares of the total, and how much less it would be with other levels. Each change is judged by its whole total: a change that lowers
    /// one term and raises another by more counts 0.
    pub fn shares(&self) -> Shares {
        let share = |nats: f64, total: f64| (nats / total.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
        let ([init, _, training], total, compared) = (self.now, self.total(), self.compared_total());
        let less =
            |discretization: f64, training: f64| share(compared - init - discretization - training, compared);
        Shares {
            initialization: share(init, total),
            placement: less(self.placement.discretization, self.placement_training),
            more_steps: less(self.discretization_of_all, self.training_of_all),
            training: share(training, total),
        }
    }
}

/// Shares of the total, each between 0 and 1; they overlap, since placement and more steps remove the same nats.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Shares {
    /// By starting from the true law of x_T.
    pub initialization: f64,
    /// By the best variance on the best placed levels of the same number.
    pub placement: f64,
    /// By visiting all training levels with the best variance.
    pub more_steps: f64,
    /// By a denoiser as good as the floor.
    pub training: f64,
}
