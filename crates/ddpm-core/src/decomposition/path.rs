//! Noising paths of a target: the levels of one image, and the weights that integrate over them.
//!
//! Between visited levels the path has panels in log snr, each with its middle, so that Simpson's rule of snr mmse in log snr gives
//! I_s - I_t = 1/2 integral of mmse over snr to far below the statistical error.

use crate::noise::NoiseSource;
use crate::targets::Conditional;
use crate::{Level, Posterior, Target, Time};

/// Widths in log-SNR over which the integral to a level without signal is resolved; below, mmse is the data's variance.
const TAIL: f64 = 12.0;

/// The levels of a noising path, the least noisy first.
pub(super) struct Path {
    pub(super) levels: Vec<Level>,
    /// Position among the visited levels (the noisiest first), for those that are.
    pub(super) visited: Vec<Option<usize>>,
    /// For each step, the noisiest first: path level and weight of its mmse in I_s - I_t by Simpson's rule.
    pub(super) integrals: Vec<Vec<(usize, f64)>>,
    /// The same by the trapezoid rule, for an error estimate.
    coarse: Vec<Vec<(usize, f64)>>,
}

impl Path {
    /// The visited levels alone.
    pub(super) fn bare(visited: &[Level]) -> Self {
        Path {
            levels: visited.iter().rev().copied().collect(),
            visited: (0..visited.len()).rev().map(Some).collect(),
            integrals: Vec::new(),
            coarse: Vec::new(),
        }
    }

    /// The visited levels and panels of at most `width` in log-SNR between them.
    pub(super) fn integrating(visited: &[Level], width: f64) -> Self {
        let mut path =
            Path { levels: Vec::new(), visited: Vec::new(), integrals: Vec::new(), coarse: Vec::new() };
        for (k, level) in visited.iter().enumerate().rev() {
            path.push(*level, Some(k));
            let Some(above) = k.checked_sub(1).map(|above| visited[above]) else { break };
            path.fill(&above, width);
        }
        path.integrals.reverse();
        path.coarse.reverse();
        path
    }

    fn push(&mut self, level: Level, visited: Option<usize>) {
        self.levels.push(level);
        self.visited.push(visited);
    }

    /// Adds the panels between the last level and `above`, which will be pushed next, and the weights of the step.
    fn fill(&mut self, above: &Level, width: f64) {
        let first = self.levels.len() - 1;
        let low_noise = self.levels[first].log_snr();
        let no_signal = above.log_snr() == f64::NEG_INFINITY;
        let high_noise = if no_signal { low_noise - TAIL } else { above.log_snr() };
        let panels = ((low_noise - high_noise) / width).ceil().max(1.0) as usize;
        let nodes = 2 * panels;
        let spacing = (low_noise - high_noise) / nodes as f64;
        for i in 1..nodes {
            self.push(Level::variance_preserving(low_noise - spacing * i as f64, Time::Clean), None);
        }
        let (mut fine, mut coarse) = (Vec::new(), Vec::new());
        for i in 0..=nodes {
            let inner = i > 0 && i < nodes;
            let simpson = if i % 2 == 1 {
                4.0
            } else if inner {
                2.0
            } else {
                1.0
            } / 3.0;
            let trapezoid = if inner { 1.0 } else { 0.5 };
            let snr = (low_noise - spacing * i as f64).exp();
            // Half of the integral is the information.
            fine.push((first + i, 0.5 * spacing * snr * simpson));
            coarse.push((first + i, 0.5 * spacing * snr * trapezoid));
        }
        if no_signal {
            let rest = 0.5 * high_noise.exp();
            fine.push((first + nodes, rest));
            coarse.push((first + nodes, rest));
        }
        self.integrals.push(fine);
        self.coarse.push(coarse);
    }

    /// I_s - I_t of step `k` for a curve over the path's levels.
    pub(super) fn information(&self, k: usize, mmse: &[f64]) -> f64 {
        weighted(&self.integrals[k], mmse)
    }

    /// Estimated error of Simpson's rule over all steps: a fifteenth of its distance from the trapezoid rule. Signed until the sum is
    /// made, since the curve's statistical noise would add up otherwise.
    pub(super) fn quadrature_error(&self, mmse: &[f64]) -> f64 {
        let pairs = self.integrals.iter().zip(&self.coarse);
        let difference: f64 = pairs.map(|(fine, coarse)| weighted(fine, mmse) - weighted(coarse, mmse)).sum();
        difference.abs() / 15.0
    }

    /// Walks image `image` of a source up the path; calls `visit` with the level index, x and the target's posterior there. Returns x_0.
    pub(super) fn walk(
        &self,
        target: &Target,
        source: &NoiseSource,
        image: u64,
        mut visit: impl FnMut(usize, &[f64], &Conditional),
    ) -> Vec<f64> {
        let x0 = target.sample(source, image);
        let mut x = x0.clone();
        let mut below = Level::CLEAN;
        for (i, level) in self.levels.iter().enumerate() {
            let transition = Posterior::between(level, &below);
            // Draws 0 and 1 made the sample.
            let noise = source.normal(image, 2 + i as u64, x.len());
            let std = transition.transition_variance.sqrt();
            x.iter_mut().zip(noise).for_each(|(x, z)| *x = transition.transition_scale * *x + std * z);
            visit(i, &x, &target.at(&x, level));
            below = *level;
        }
        x0
    }
}

fn weighted(weights: &[(usize, f64)], values: &[f64]) -> f64 {
    weights.iter().map(|(i, weight)| weight * values[*i]).sum()
}
