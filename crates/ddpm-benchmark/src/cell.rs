//! A cell of the sweep, as data: one computation on one closed-form target. And its key in the cache.

use crate::closed_form_target::{NamedTarget, TargetName};
use anyhow::Result;
use ddpm_core::{Grid, Level, NoisingConfig, ScheduleConfig, Scheme, Trajectory, Variance};
use ddpm_data::sha256_bytes;
use serde::{Deserialize, Serialize};

/// Version of the results. Cells that were computed under another version are computed again.
///
/// Raise it when a change of the code changes a result of a cell or the measurement of a network beyond rounding, or the fields of an
/// [`Outcome`](crate::outcome::Outcome). The test `golden_cells` fails where that is forgotten.
pub(crate) const RESULTS_VERSION: u32 = 4;

/// The noise levels that a sampler visits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VisitedLevels {
    /// The noising process.
    pub(crate) noising: NoisingConfig,
    /// The noise sigma/alpha at which the process stops; none for its own lowest level.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) least_noise: Option<f64>,
    /// How the levels are placed.
    pub(crate) grid: Grid,
    /// Number of levels of a schedule, number of steps of a process.
    pub(crate) steps: usize,
}

impl VisitedLevels {
    /// The levels that have noise, the noisiest first.
    pub(crate) fn noised(&self) -> Result<Vec<Level>> {
        Ok(self.trajectory()?.levels().iter().filter(|level| !level.is_clean()).copied().collect())
    }

    /// The levels in the order of a sampler. A schedule ends at the data.
    pub(crate) fn trajectory(&self) -> Result<Trajectory> {
        let mut noising = self.noising.build()?;
        if let Some(sigma) = self.least_noise {
            noising = noising.stopped_at(sigma)?;
        }
        Ok(noising.trajectory(self.steps, self.grid)?)
    }
}

/// The Monte Carlo paths of a divergence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MonteCarloPaths {
    /// Number of independent noising paths.
    pub(crate) number: usize,
    /// Their seed.
    pub(crate) seed: u64,
}

/// What a cell computes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "compute", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Computation {
    /// The terms of KL(noising path || path of the ancestral sampler).
    Divergence {
        /// The levels.
        levels: VisitedLevels,
        /// The variance of the steps.
        variance: Variance,
        /// A constant added to every component of the ideal denoiser.
        perturbation: f64,
        /// The paths, where the terms are estimated.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        sampled: Option<MonteCarloPaths>,
    },
    /// W2 between the samples and a Gaussian target, exactly.
    Wasserstein {
        /// The levels.
        levels: VisitedLevels,
        /// The sampler.
        sampler: Scheme,
    },
    /// The levels of a schedule with the least discretization.
    Placement {
        /// The schedule that they are chosen from.
        schedule: ScheduleConfig,
        /// Number of visited levels.
        steps: usize,
        /// The variance of the steps.
        variance: Variance,
    },
}

/// One computation on one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cell {
    /// The target.
    pub(crate) target: TargetName,
    /// The computation.
    #[serde(flatten)]
    pub(crate) computation: Computation,
}

impl Cell {
    /// The key of this cell on that target. Targets of the same law share results under any name.
    pub(crate) fn key(&self, target: &NamedTarget, version: u32) -> Result<Key> {
        Key::of(&target.digest, &self.computation, version)
    }
}

/// SHA-256 of everything that a result depends on, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key(String);

impl Key {
    /// The digits.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of a computation on an input (the digest of a law, or of weights and data) under a version of the results.
    pub(crate) fn of(input_digest: &str, computation: &impl Serialize, version: u32) -> Result<Self> {
        let content = serde_json::to_vec(&(version, input_digest, computation))?;
        Ok(Key(sha256_bytes(&content)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{ornstein_uhlenbeck, schedule, vp};
    use ddpm_core::targets::{Covariance, Gaussian};
    use ddpm_core::{ScheduleKind, Target};
    use std::collections::BTreeSet;

    fn target(name: TargetName, variance: f64) -> NamedTarget {
        let law = Gaussian::new(vec![0.5], Covariance::Diagonal(vec![variance])).unwrap();
        NamedTarget::new(name, Target::Gaussian(law))
    }

    fn divergence(
        levels: VisitedLevels,
        variance: Variance,
        perturbation: f64,
        sampled: Option<MonteCarloPaths>,
    ) -> Computation {
        Computation::Divergence { levels, variance, perturbation, sampled }
    }

    #[test]
    fn the_key_changes_with_each_ingredient_and_with_nothing_else() {
        use ScheduleKind::{Cosine, Linear};
        let key = |computation: &Computation, target: &NamedTarget, version: u32| {
            Cell { target: target.name, computation: computation.clone() }.key(target, version).unwrap()
        };
        let law = target(TargetName::Gaussian2d, 2.0);
        let paths = |number, seed| Some(MonteCarloPaths { number, seed });
        let thinned = |kind, grid, steps| schedule(ScheduleConfig::with_steps(kind, 1000), grid, steps);
        let base = || thinned(Linear, Grid::Trailing, 50);
        let longer = ScheduleConfig::with_steps(Linear, 2000);
        let sampler = |sampler| Computation::Wasserstein { levels: base(), sampler };
        let placement = |steps, variance| Computation::Placement {
            schedule: ScheduleConfig::with_steps(Linear, 1000),
            steps,
            variance,
        };
        let with = |levels| divergence(levels, Variance::Analytic, 0.0, paths(100, 0));
        let computations = [
            with(base()),
            with(thinned(Cosine, Grid::Trailing, 50)),
            with(thinned(Linear, Grid::Leading, 50)),
            with(thinned(Linear, Grid::Trailing, 51)),
            with(schedule(longer, Grid::Trailing, 50)),
            with(VisitedLevels { least_noise: Some(0.03), ..base() }),
            divergence(base(), Variance::FixedSmall, 0.0, paths(100, 0)),
            divergence(base(), Variance::Analytic, 0.1, paths(100, 0)),
            divergence(base(), Variance::Analytic, 0.0, paths(101, 0)),
            divergence(base(), Variance::Analytic, 0.0, paths(100, 1)),
            divergence(base(), Variance::Analytic, 0.0, None),
            with(vp(Grid::LogSnr, 50, 1e-3)),
            with(vp(Grid::Linspace, 50, 1e-3)),
            with(vp(Grid::LogSnr, 51, 1e-3)),
            with(vp(Grid::LogSnr, 50, 1e-4)),
            with(ornstein_uhlenbeck(3.0, Grid::LogSnr, 50, 1e-3)),
            with(ornstein_uhlenbeck(4.0, Grid::LogSnr, 50, 1e-3)),
            sampler(Scheme::Em),
            sampler(Scheme::Ei),
            sampler(Scheme::ddim(0.0)),
            sampler(Scheme::ddim(0.5)),
            placement(50, Variance::Analytic),
            placement(51, Variance::Analytic),
            placement(50, Variance::FixedLarge),
        ];
        let keys: BTreeSet<Key> = computations.iter().map(|computation| key(computation, &law, 1)).collect();
        assert_eq!(keys.len(), computations.len());
        // The law and the version count too; the target's name, and writing the cell to a file and back, do not.
        for computation in &computations {
            let own = key(computation, &law, 1);
            assert_ne!(own, key(computation, &target(TargetName::Gaussian2d, 2.0 + 1e-15), 1));
            assert_ne!(own, key(computation, &law, 2));
            assert_eq!(own, key(computation, &target(TargetName::DigitsGaussian, 2.0), 1));
            let read: Computation =
                serde_json::from_str(&serde_json::to_string(computation).unwrap()).unwrap();
            assert_eq!(own, key(&read, &law, 1));
        }
    }

    #[test]
    fn levels_end_at_the_least_noise() {
        let linear = schedule(ScheduleConfig::with_steps(ScheduleKind::Linear, 1000), Grid::Linspace, 20);
        let noised = linear.noised().unwrap();
        assert_eq!(noised.len(), 20);
        assert!((noised[19].alpha_bar() - 0.9999).abs() < 1e-12);
        let stopped = VisitedLevels { least_noise: Some(0.03), ..linear }.noised().unwrap();
        assert_eq!((stopped.len(), stopped[0].log_snr()), (20, noised[0].log_snr()));
        assert!((stopped[19].relative_sigma() / 0.03 - 1.0).abs() < 1e-12);
        assert_eq!(vp(Grid::LogSnr, 20, 1e-3).noised().unwrap().len(), 21);
    }
}
