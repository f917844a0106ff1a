//! Placement of N levels: the discretization as a function of the visited levels, and its minimum.
//!
//! Given a floor m on all levels of a schedule, a step from t to s costs d/2 [log(v/post) + post/v - 1] + c^2 m_t/(2v); the information
//! 1/2 integral of m over the whole range does not depend on where the levels are. The best N of M levels with both ends kept are a shortest
//! path, found by dynamic programming in O(N M^2).

use super::closed_form::decompose;
use super::curve::log_trapezoid;
use super::settings::{MonteCarlo, Settings};
use super::step::ReverseStep;
use super::terms::Estimate;
use crate::{CoreError, Level, Target, Variance};

/// A floor (or a model's own error) known at all levels of a schedule, the noisiest first.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleCurve {
    levels: Vec<Level>,
    curve: Vec<f64>,
    /// 1/2 of the integral of the curve from the noisiest level to each.
    information: Vec<f64>,
    /// The error that `analytic` is fitted to, where it is not the curve itself.
    fit: Option<Vec<f64>>,
    /// Factor of every discretization: see [`ScheduleCurve::calibrated`].
    factor: f64,
    dim: usize,
}

/// A choice of levels and its discretization.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// Positions among the schedule's levels, the noisiest first.
    pub positions: Vec<usize>,
    /// The sum of the discretization terms, in nats.
    pub discretization: f64,
}

impl ScheduleCurve {
    /// `levels` run from the noisiest to the lowest; `curve` has a non-negative entry for each, summed over `dim` components.
    pub fn new(levels: Vec<Level>, curve: Vec<f64>, dim: usize) -> Result<Self, CoreError> {
        if levels.len() != curve.len() || levels.len() < 2 {
            let what = "curve by level".to_owned();
            return Err(CoreError::Dimension { what, expected: levels.len().max(2), got: curve.len() });
        }
        if let Some(index) = curve.iter().position(|m| !(*m >= 0.0 && m.is_finite())) {
            return Err(CoreError::Entry {
                name: "curve",
                index,
                expected: "not negative",
                got: curve[index],
            });
        }
        let mut information = vec![0.0];
        for (k, pair) in levels.windows(2).enumerate() {
            let step = 0.5 * log_trapezoid(&pair[0], &pair[1], curve[k], curve[k + 1]);
            information.push(information[k] + step);
        }
        Ok(ScheduleCurve { levels, curve, information, fit: None, factor: 1.0, dim })
    }

    /// The same with the variance `analytic` fitted to another error by level: that of the denoiser which is sampled with.
    pub fn with_fit(self, fit: Vec<f64>) -> Result<Self, CoreError> {
        if fit.len() != self.levels.len() {
            let (expected, got) = (self.levels.len(), fit.len());
            return Err(CoreError::Dimension { what: "fitted error by level".into(), expected, got });
        }
        Ok(ScheduleCurve { fit: Some(fit), ..self })
    }

    /// The same with every discretization in proportion to a better estimate of one of them: that of the sampler which visits `positions` with
    /// this variance (a ratio estimate: errors that all settings share cancel). Unchanged where either value is not positive.
    pub fn calibrated(
        self,
        positions: &[usize],
        variance: Variance,
        discretization: f64,
    ) -> Result<Self, CoreError> {
        let factor = self.factor * discretization / self.discretization(positions, variance)?;
        let usable = factor > 0.0 && factor.is_finite();
        Ok(ScheduleCurve { factor: if usable { factor } else { self.factor }, ..self })
    }

    /// The mmse and the information of a closed-form target at these levels, the noisiest first, with the accuracy of [`decompose`]: no
    /// quadrature between levels comes in. Also returns the initialization term
    /// of the first level.
    pub fn of_target(
        target: &Target,
        levels: &[Level],
        monte_carlo: MonteCarlo,
    ) -> Result<(Self, Estimate), CoreError> {
        let variance = Variance::FixedLarge;
        let result = decompose(target, levels, &Settings { variance, perturbation: 0.0, monte_carlo })?;
        let curve = result.levels.iter().map(|terms| terms.mmse).collect();
        let mut exact = Self::new(levels.to_vec(), curve, result.dim)?;
        for (k, terms) in result.levels.iter().enumerate() {
            let Some(discretization) = terms.discretization else { break };
            // What the term leaves of the step's cost is the information that the step restores.
            let gained = exact.cost(k, k + 1, variance)? - discretization;
            exact.information[k + 1] = exact.information[k] + gained;
        }
        Ok((exact, result.init))
    }

    /// All levels.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// The curve at all levels.
    pub fn curve(&self) -> &[f64] {
        &self.curve
    }

    /// 1/2 of the integral of the curve over each step between visited positions, the noisiest first; all levels serve, however few are
    /// visited.
    pub fn information(&self, positions: &[usize]) -> Result<Vec<f64>, CoreError> {
        self.check(positions)?;
        Ok(positions.windows(2).map(|pair| self.information[pair[1]] - self.information[pair[0]]).collect())
    }

    /// Positions continued to the lowest level in one more step where they stop above it, as `trailing` does. Divergences of different numbers
    /// of steps can only be compared down to the same lowest level.
    #[must_use]
    pub fn down_to_the_lowest(&self, mut positions: Vec<usize>) -> Vec<usize> {
        let lowest = self.levels.len() - 1;
        if positions.last().is_some_and(|&last| last < lowest) {
            positions.push(lowest);
        }
        positions
    }

    /// The step between two positions; `analytic` is fitted to this curve, or to the one given for it.
    pub fn step(&self, t: usize, s: usize, variance: Variance) -> Result<ReverseStep, CoreError> {
        let mse = self.fit.as_ref().unwrap_or(&self.curve)[t];
        ReverseStep::new(&self.levels[t], &self.levels[s], variance, Some(mse / self.dim as f64))
    }

    /// What the step costs but for the information it restores.
    fn cost(&self, t: usize, s: usize, variance: Variance) -> Result<f64, CoreError> {
        Ok(self.step(t, s, variance)?.discretization(self.dim, self.curve[t], 0.0))
    }

    /// The sum of the discretization terms of a sampler that visits these positions, the noisiest first. The integral of the curve uses all
    /// levels, however few are visited.
    pub fn discretization(&self, positions: &[usize], variance: Variance) -> Result<f64, CoreError> {
        self.check(positions)?;
        let mut sum = 0.0;
        for pair in positions.windows(2) {
            sum += self.cost(pair[0], pair[1], variance)?
                - (self.information[pair[1]] - self.information[pair[0]]);
        }
        Ok(self.factor * sum)
    }

    /// sum_t c^2/(2v) (mse_t - m_t) of a sampler that visits these positions, with m this curve.
    pub fn training(&self, positions: &[usize], variance: Variance, mse: &[f64]) -> Result<f64, CoreError> {
        self.check(positions)?;
        if mse.len() != self.levels.len() {
            let (expected, got) = (self.levels.len(), mse.len());
            return Err(CoreError::Dimension { what: "mse by level".into(), expected, got });
        }
        let mut sum = 0.0;
        for pair in positions.windows(2) {
            sum +=
                self.step(pair[0], pair[1], variance)?.error_weight() * (mse[pair[0]] - self.curve[pair[0]]);
        }
        Ok(sum)
    }

    /// The `count` levels, both ends among them, with the least discretization.
    pub fn best_placement(&self, count: usize, variance: Variance) -> Result<Placement, CoreError> {
        let m = self.levels.len();
        if count < 2 || count > m {
            return Err(CoreError::Steps { train_steps: m, got: count });
        }
        let mut costs = vec![f64::INFINITY; m * m];
        for t in 0..m - 1 {
            for s in t + 1..m {
                costs[s * m + t] = self.cost(t, s, variance)?;
            }
        }
        // best[s]: least cost of reaching s from the noisiest level in the steps taken so far.
        let mut best = vec![f64::INFINITY; m];
        best[0] = 0.0;
        let mut before: Vec<Vec<usize>> = Vec::with_capacity(count - 1);
        for taken in 1..count {
            let mut next = vec![f64::INFINITY; m];
            let mut from = vec![0; m];
            // Enough levels must remain on both sides of s.
            for s in taken..=m - count + taken {
                for t in taken - 1..s {
                    let cost = best[t] + costs[s * m + t];
                    if cost < next[s] {
                        next[s] = cost;
                        from[s] = t;
                    }
                }
            }
            best = next;
            before.push(from);
        }
        let mut positions = vec![m - 1];
        for from in before.iter().rev() {
            positions.push(from[positions[positions.len() - 1]]);
        }
        positions.reverse();
        let discretization = self.discretization(&positions, variance)?;
        Ok(Placement { positions, discretization })
    }

    fn check(&self, positions: &[usize]) -> Result<(), CoreError> {
        let rising = positions.windows(2).all(|pair| pair[0] < pair[1]);
        let inside = positions.last().is_some_and(|&last| last < self.levels.len());
        if rising && inside {
            return Ok(());
        }
        Err(CoreError::Unsupported("visited positions must rise and lie within the schedule's levels".into()))
    }
}
