//! The sweep: finished cells are read from the cache; the others are computed in parallel and kept one by one.

use crate::cache::Cache;
use crate::cell::Cell;
use crate::closed_form_target::{NamedTarget, TargetName};
use crate::monitor::{Monitor, Stopped};
use crate::outcome::{self, Outcome};
use crate::output_folder::Log;
use anyhow::{Context, Result};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Targets by name.
pub(crate) type Targets = HashMap<TargetName, NamedTarget>;

/// Results of cells.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// In the order of the plan.
    pub(crate) cells: Vec<(Cell, Outcome)>,
    places: HashMap<String, usize>,
}

impl Results {
    fn new(cells: Vec<(Cell, Outcome)>) -> Result<Self> {
        let place = |(place, (cell, _)): (usize, &(Cell, Outcome))| Ok((serde_json::to_string(cell)?, place));
        let places = cells.iter().enumerate().map(place).collect::<Result<_>>()?;
        Ok(Results { cells, places })
    }

    /// The result of a cell of the plan.
    pub(crate) fn get(&self, cell: &Cell) -> Result<&Outcome> {
        let text = serde_json::to_string(cell)?;
        let place = self.places.get(&text).with_context(|| format!("the sweep has no cell {text}"))?;
        Ok(&self.cells[*place].1)
    }
}

/// Computes all cells, or reads them from the cache. Their order in the results does not depend on the number of threads.
///
/// # Errors
/// [`Stopped::Sweep`] where `monitor` asks for a stop.
pub(crate) fn run(
    cells: &[Cell],
    targets: &Targets,
    cache: &Cache,
    version: u32,
    log: &Log,
    monitor: &dyn Monitor,
) -> Result<Results> {
    let total = cells.len() as u64;
    let (done, computed) = (AtomicU64::new(0), AtomicU64::new(0));
    let one = |cell: &Cell| -> Result<(Cell, Outcome)> {
        if monitor.stop_requested() {
            return Err(Stopped::Sweep { done: done.load(Ordering::SeqCst), total }.into());
        }
        let target = targets.get(&cell.target).with_context(|| format!("no target {}", cell.target))?;
        let key = cell.key(target, version)?;
        let outcome = match cache.read(&key) {
            Some(outcome) => outcome,
            None => {
                let begun = Instant::now();
                let outcome = outcome::compute(cell, target)?;
                cache.write(&key, cell, &outcome)?;
                computed.fetch_add(1, Ordering::SeqCst);
                log.add(key.as_str(), begun.elapsed().as_secs_f64());
                outcome
            }
        };
        monitor.advance(done.fetch_add(1, Ordering::SeqCst) + 1, "");
        Ok((cell.clone(), outcome))
    };
    monitor.begin("cells", "cells", 0, total);
    // One cell at a time from the queue: some take a hundred times as long as others.
    let outcomes: Result<Vec<_>> = cells.par_iter().with_max_len(1).map(one).collect();
    let results = Results::new(outcomes?)?;
    let computed = computed.into_inner();
    monitor.end(&format!("{computed} computed, {} read from earlier runs", total - computed));
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::{Computation, MonteCarloPaths};
    use crate::output_folder::OutputFolder;
    use crate::plan::schedule;
    use ddpm_core::{Grid, ScheduleConfig, ScheduleKind, Target, TargetSpec, Variance};

    /// Counts finished cells and stops after some.
    #[derive(Default)]
    struct Counter {
        finished: AtomicU64,
        stop_after: Option<u64>,
    }

    impl Monitor for Counter {
        fn begin(&self, _: &'static str, _: &'static str, _: u64, _: u64) {}

        fn advance(&self, _: u64, _: &str) {
            self.finished.fetch_add(1, Ordering::SeqCst);
        }

        fn end(&self, _: &str) {}

        fn message(&self, _: &str) {}

        fn stop_requested(&self) -> bool {
            self.stop_after.is_some_and(|most| self.finished.load(Ordering::SeqCst) >= most)
        }
    }

    fn targets() -> Targets {
        let mixture = |means: Vec<Vec<f64>>| {
            TargetSpec::Mixture { weights: vec![0.3, 0.7], means, stds: Some(vec![0.25, 0.4]), covs: None }
                .build()
                .unwrap()
        };
        let named = |name, law: Target| (name, NamedTarget::new(name, law));
        HashMap::from([
            named(TargetName::Mixture1d, mixture(vec![vec![-1.5], vec![1.0]])),
            named(TargetName::Mixture2d, mixture(vec![vec![-1.5, 0.0], vec![1.0, 0.5]])),
        ])
    }

    fn cells() -> Vec<Cell> {
        let mut cells = Vec::new();
        for target in [TargetName::Mixture1d, TargetName::Mixture2d] {
            for steps in [3, 5, 8, 13, 21] {
                let linear = ScheduleConfig::with_steps(ScheduleKind::Linear, 100);
                let sampled =
                    (target == TargetName::Mixture2d).then_some(MonteCarloPaths { number: 50, seed: 3 });
                let computation = Computation::Divergence {
                    levels: schedule(linear, Grid::Trailing, steps),
                    variance: Variance::Analytic,
                    perturbation: 0.0,
                    sampled,
                };
                cells.push(Cell { target, computation });
            }
        }
        cells
    }

    /// A sweep in a folder of its own.
    struct Sweep {
        folder: tempfile::TempDir,
    }

    impl Sweep {
        fn new() -> Self {
            Sweep { folder: tempfile::tempdir().unwrap() }
        }

        fn cells(&self) -> std::path::PathBuf {
            self.folder.path().join("cells")
        }

        /// The results, and the keys of the cells that were computed.
        fn run(&self, version: u32, monitor: &Counter) -> (Result<Results>, Vec<String>) {
            let log = self.folder.path().join("log.jsonl");
            let folder = OutputFolder::open(self.folder.path()).unwrap();
            std::fs::write(&log, "").unwrap();
            let cache = Cache::new(&self.cells());
            let results = run(&cells(), &targets(), &cache, version, &folder.log().unwrap(), monitor);
            let key = |line: &str| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                line["finished"].as_str().unwrap().to_owned()
            };
            (results, std::fs::read_to_string(&log).unwrap().lines().map(key).collect())
        }
    }

    fn text(results: &Results) -> String {
        serde_json::to_string(&results.cells).unwrap()
    }

    fn on<T: Send>(threads: usize, body: impl FnOnce() -> T + Send) -> T {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(body)
    }

    #[test]
    fn a_stopped_sweep_resumes_without_computing_anything_twice() {
        let sweep = Sweep::new();
        let (stopped, before) =
            on(1, || sweep.run(1, &Counter { stop_after: Some(4), ..Counter::default() }));
        let stopped = stopped.unwrap_err();
        assert!(stopped.is::<Stopped>(), "{stopped}");
        assert_eq!(before.len(), 4);

        let second = Counter::default();
        let (results, after) = sweep.run(1, &second);
        let results = results.unwrap();
        let finished = second.finished.load(Ordering::SeqCst) as usize;
        assert_eq!((after.len(), finished - after.len()), (6, 4));
        assert!(before.iter().all(|key| !after.contains(key)));

        let (again, third) = sweep.run(1, &Counter::default());
        assert_eq!((third.len(), text(&again.unwrap())), (0, text(&results)));
        // Another version computes everything again.
        assert_eq!(sweep.run(2, &Counter::default()).1.len(), 10);
    }

    #[test]
    fn neither_threads_nor_the_cache_change_a_byte() {
        let fresh = |threads| text(&on(threads, || Sweep::new().run(1, &Counter::default()).0).unwrap());
        let (sequential, parallel) = (fresh(1), fresh(4));
        assert_eq!(sequential, parallel);
        // Read back from files, one of them damaged.
        let sweep = Sweep::new();
        sweep.run(1, &Counter::default()).0.unwrap();
        let damaged = std::fs::read_dir(sweep.cells()).unwrap().next().unwrap().unwrap().path();
        std::fs::write(&damaged, "{\"key\":").unwrap();
        let (results, computed) = sweep.run(1, &Counter::default());
        assert_eq!((sequential, computed.len()), (text(&results.unwrap()), 1));
    }

    #[test]
    fn every_cell_of_the_plan_can_be_found_and_no_other() {
        let results = Sweep::new().run(1, &Counter::default()).0.unwrap();
        for (cell, outcome) in &results.cells {
            assert_eq!(results.get(cell).unwrap(), outcome);
        }
        let other = Cell { target: TargetName::Gaussian2d, ..cells()[0].clone() };
        assert!(results.get(&other).unwrap_err().to_string().contains("gaussian-2d"));
    }
}
