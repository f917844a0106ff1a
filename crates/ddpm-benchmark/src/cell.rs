//! A cell of the sweep as data, and the key of its content.

use crate::closed_form_target::{NamedTarget, TargetName};
use anyhow::Result;
use ddpm_core::{Grid, Level, Process, Schedule, ScheduleConfig, Scheme, Trajectory, Variance};
use ddpm_data::sha256_bytes;
use serde::{Deserialize, Serialize};

/// The levels that a sampler goes through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Chain {
    /// Levels of a discrete schedule, and data at the end.
    Schedule {
        /// The schedule.
        schedule: ScheduleConfig,
        /// Which of its levels.
        grid: Grid,
        /// How many.
        steps: usize,
    },
    /// Times of a continuous process, down to the last.
    Process {
        /// The process.
        process: Continuous,
        /// How they are spaced.
        grid: Grid,
        /// How many steps.
        steps: usize,
        /// Where sampling stops.
        t_min: f64,
    },
}

/// A process in continuous time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Continuous {
    /// The usual variance-preserving one on [0, 1].
    Vp,
    /// Ornstein-Uhlenbeck: alpha_bar = exp(-horizon) at its end.
    OrnsteinUhlenbeck {
        /// The last time.
        horizon: f64,
    },
}

impl Continuous {
    fn process(self) -> Process {
        match self {
            Continuous::Vp => Process::VP,
            Continuous::OrnsteinUhlenbeck { horizon } => Process::OrnsteinUhlenbeck { horizon },
        }
    }
}

impl Chain {
    /// The visited levels that have noise, the noisiest first.
    pub(crate) fn visited(&self) -> Result<Vec<Level>> {
        Ok(self.trajectory()?.levels().iter().filter(|level| !level.is_clean()).copied().collect())
    }

    /// The levels as a sampler goes through them.
    pub(crate) fn trajectory(&self) -> Result<Trajectory> {
        Ok(match self {
            Chain::Schedule { schedule, grid, steps } => {
                let schedule: Schedule = schedule.build()?;
                Trajectory::discrete(&schedule, &grid.visit(&schedule, *steps)?)?
            }
            Chain::Process { process, grid, steps, t_min } => {
                let process = process.process();
                Trajectory::continuous(&process, &grid.times(&process, *steps, *t_min)?)?
            }
        })
    }
}

/// Random numbers of a cell, where it uses any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sampled {
    /// How many independent noising paths or samples.
    pub(crate) number: usize,
    /// Their seed.
    pub(crate) seed: u64,
}

/// What a cell computes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "compute", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Work {
    /// The terms of KL(noising path || path of the ancestral sampler).
    Divergence {
        /// The levels.
        chain: Chain,
        /// The variance of the steps.
        variance: Variance,
        /// A constant added to every component of the ideal denoiser.
        perturbation: f64,
        /// Noising paths, where the terms are estimated.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        sampled: Option<Sampled>,
    },
    /// W2 between the samples and a Gaussian target, exactly.
    Wasserstein {
        /// The levels.
        chain: Chain,
        /// The sampler.
        sampler: Scheme,
    },
    /// The placement of the levels with the least discretization.
    Placement {
        /// The schedule that they are chosen from.
        schedule: ScheduleConfig,
        /// How many are visited.
        steps: usize,
        /// The variance of the steps.
        variance: Variance,
    },
}

/// A cell: one computation on one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cell {
    /// The target.
    pub(crate) target: TargetName,
    /// What is computed.
    #[serde(flatten)]
    pub(crate) work: Work,
}

/// Version of the results: cells of another version are computed again.
///
/// Raise it when a change of the code changes a result of a cell or of a network's measurement beyond rounding, or the fields of an outcome.
/// The test `golden_cells` fails where that is forgotten.
pub(crate) const RESULTS_VERSION: u32 = 1;

/// SHA-256 of all that a cell's result depends on, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key(String);

impl Key {
    /// The digits.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of a content: what it is computed from (the digest of a law, of weights and data), what is computed, and [`RESULTS_VERSION`].
    pub(crate) fn of(input_digest: &str, work: &impl Serialize, version: u32) -> Result<Self> {
        let content = serde_json::to_vec(&(version, input_digest, work))?;
        Ok(Key(sha256_bytes(&content)))
    }
}

impl Cell {
    /// The key of this cell on that law. The target's name is no part of it: equal laws share results.
    pub(crate) fn key(&self, target: &NamedTarget, version: u32) -> Result<Key> {
        Key::of(&target.digest, &self.work, version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ddpm_core::target::{Covariance, Gaussian};
    use ddpm_core::{ScheduleKind, Target};
    use std::collections::BTreeSet;

    fn target(name: TargetName, variance: f64) -> NamedTarget {
        let law = Gaussian::new(vec![0.5], Covariance::Diagonal(vec![variance])).unwrap();
        NamedTarget::new(name, Target::Gaussian(law))
    }

    fn schedule(kind: ScheduleKind, grid: Grid, steps: usize) -> Chain {
        Chain::Schedule { schedule: ScheduleConfig::with_steps(kind, 1000), grid, steps }
    }

    fn divergence(chain: Chain, variance: Variance, perturbation: f64, sampled: Option<Sampled>) -> Work {
        Work::Divergence { chain, variance, perturbation, sampled }
    }

    #[test]
    fn the_key_changes_with_each_ingredient_and_with_nothing_else() {
        use ScheduleKind::{Cosine, Linear};
        let key = |work: &Work, target: &NamedTarget, version: u32| {
            Cell { target: target.name, work: work.clone() }.key(target, version).unwrap()
        };
        let law = target(TargetName::Gaussian2d, 2.0);
        let paths = |number, seed| Some(Sampled { number, seed });
        let base = || schedule(Linear, Grid::Trailing, 50);
        let process = |process, grid, steps, t_min| Chain::Process { process, grid, steps, t_min };
        let ornstein = |horizon| Continuous::OrnsteinUhlenbeck { horizon };
        let longer = ScheduleConfig::with_steps(Linear, 2000);
        let sampler = |sampler| Work::Wasserstein { chain: base(), sampler };
        let placement = |steps, variance| Work::Placement {
            schedule: ScheduleConfig::with_steps(Linear, 1000),
            steps,
            variance,
        };
        let with = |chain| divergence(chain, Variance::Analytic, 0.0, paths(100, 0));
        let works = [
            with(base()),
            with(schedule(Cosine, Grid::Trailing, 50)),
            with(schedule(Linear, Grid::Leading, 50)),
            with(schedule(Linear, Grid::Trailing, 51)),
            with(Chain::Schedule { schedule: longer, grid: Grid::Trailing, steps: 50 }),
            divergence(base(), Variance::FixedSmall, 0.0, paths(100, 0)),
            divergence(base(), Variance::Analytic, 0.1, paths(100, 0)),
            divergence(base(), Variance::Analytic, 0.0, paths(101, 0)),
            divergence(base(), Variance::Analytic, 0.0, paths(100, 1)),
            divergence(base(), Variance::Analytic, 0.0, None),
            with(process(Continuous::Vp, Grid::LogSnr, 50, 1e-3)),
            with(process(Continuous::Vp, Grid::Linspace, 50, 1e-3)),
            with(process(Continuous::Vp, Grid::LogSnr, 51, 1e-3)),
            with(process(Continuous::Vp, Grid::LogSnr, 50, 1e-4)),
            with(process(ornstein(3.0), Grid::LogSnr, 50, 1e-3)),
            with(process(ornstein(4.0), Grid::LogSnr, 50, 1e-3)),
            sampler(Scheme::Em),
            sampler(Scheme::Ei),
            sampler(Scheme::Ddim { eta: 0.0 }),
            sampler(Scheme::Ddim { eta: 0.5 }),
            placement(50, Variance::Analytic),
            placement(51, Variance::Analytic),
            placement(50, Variance::FixedLarge),
        ];
        let keys: BTreeSet<Key> = works.iter().map(|work| key(work, &law, 1)).collect();
        assert_eq!(keys.len(), works.len());
        // The law and the code count too; the target's name, and writing the cell to a file and back, do not.
        for work in &works {
            let own = key(work, &law, 1);
            assert_ne!(own, key(work, &target(TargetName::Gaussian2d, 2.0 + 1e-15), 1));
            assert_ne!(own, key(work, &law, 2));
            assert_eq!(own, key(work, &target(TargetName::DigitsGaussian, 2.0), 1));
            let read: Work = serde_json::from_str(&serde_json::to_string(work).unwrap()).unwrap();
            assert_eq!(own, key(&read, &law, 1));
        }
    }

    #[test]
    fn a_chain_of_a_schedule_ends_at_its_least_noise() {
        let visited = schedule(ScheduleKind::Linear, Grid::Linspace, 20).visited().unwrap();
        assert_eq!(visited.len(), 20);
        assert!((visited[19].alpha_bar() - 0.9999).abs() < 1e-12);
        let process = Chain::Process { process: Continuous::Vp, grid: Grid::LogSnr, steps: 20, t_min: 1e-3 };
        assert_eq!(process.visited().unwrap().len(), 21);
    }
}
