//! Runs the cells: what is finished already is read, the rest is computed in parallel and kept as it is done.

use crate::cache::Cache;
use crate::cell::{Cell, Key};
use crate::closed_form_target::{NamedTarget, TargetName};
use crate::monitor::{Monitor, Stopped};
use crate::outcome::{self, Divergence, Outcome, Placed, Wasserstein};
use crate::output_folder::Log;
use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Callbacks of the sweep.
pub(crate) trait SweepCallbacks: Sync {
    /// `done` of `total` cells are finished; `seconds` were spent on this one, none if it was there already.
    fn finished(&self, key: &Key, seconds: Option<f64>, done: u64, total: u64);
    /// Whether to stop as soon as possible.
    fn stop_requested(&self) -> bool;
}

/// Targets by name.
pub(crate) type Targets = HashMap<TargetName, NamedTarget>;

/// Outcomes of cells.
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

    /// The outcome of a cell of the plan.
    pub(crate) fn get(&self, cell: &Cell) -> Result<&Outcome> {
        let text = serde_json::to_string(cell)?;
        let place = self.places.get(&text).with_context(|| format!("the sweep has no cell {text}"))?;
        Ok(&self.cells[*place].1)
    }
}

impl Results {
    /// The terms of a divergence cell.
    pub(crate) fn divergence(&self, cell: &Cell) -> Result<Divergence> {
        match self.get(cell)? {
            Outcome::Divergence(outcome) => Ok(*outcome),
            other => bail!("expected the terms of a divergence, got {other:?}"),
        }
    }

    /// The distances of a W2 cell.
    pub(crate) fn wasserstein(&self, cell: &Cell) -> Result<Wasserstein> {
        match self.get(cell)? {
            Outcome::Wasserstein(outcome) => Ok(*outcome),
            other => bail!("expected W2 errors, got {other:?}"),
        }
    }

    /// The levels of a placement cell.
    pub(crate) fn placement(&self, cell: &Cell) -> Result<Placed> {
        match self.get(cell)? {
            Outcome::Placement(outcome) => Ok(outcome.clone()),
            other => bail!("expected a placement, got {other:?}"),
        }
    }
}

/// Computes all cells, or reads them from the cache. The order of the results is that of the cells, however many threads there are.
pub(crate) fn run(
    cells: &[Cell],
    targets: &Targets,
    cache: &Cache,
    version: u32,
    callbacks: &impl SweepCallbacks,
) -> Result<Results> {
    let total = cells.len() as u64;
    let done = AtomicU64::new(0);
    let one = |cell: &Cell| -> Result<(Cell, Outcome)> {
        if callbacks.stop_requested() {
            return Err(Stopped::Sweep { done: done.load(Ordering::SeqCst), total }.into());
        }
        let target = targets.get(&cell.target).with_context(|| format!("no target {}", cell.target))?;
        let key = cell.key(target, version)?;
        let (outcome, seconds) = match cache.read(&key) {
            Some(outcome) => (outcome, None),
            None => {
                let begun = Instant::now();
                let outcome = outcome::compute(cell, target)?;
                cache.write(&key, cell, &outcome)?;
                (outcome, Some(begun.elapsed().as_secs_f64()))
            }
        };
        callbacks.finished(&key, seconds, done.fetch_add(1, Ordering::SeqCst) + 1, total);
        Ok((cell.clone(), outcome))
    };
    // One cell at a time from the queue: some take a hundred times as long as others.
    let outcomes: Result<Vec<_>> = cells.par_iter().with_max_len(1).map(one).collect();
    Results::new(outcomes?)
}

/// [`run`] with progress on a monitor and the times of computed cells in the log.
pub(crate) fn with_progress(
    cells: &[Cell],
    targets: &Targets,
    cache: &Cache,
    version: u32,
    log: &Log,
    monitor: &dyn Monitor,
) -> Result<Results> {
    let callbacks = MonitoredSweep { log, monitor, computed: AtomicU64::new(0) };
    monitor.begin("cells", "cells", 0, cells.len() as u64);
    let results = run(cells, targets, cache, version, &callbacks)?;
    let computed = callbacks.computed.into_inner();
    monitor.end(&format!("{computed} computed, {} read from earlier runs", cells.len() as u64 - computed));
    Ok(results)
}

struct MonitoredSweep<'a> {
    log: &'a Log,
    monitor: &'a dyn Monitor,
    computed: AtomicU64,
}

impl SweepCallbacks for MonitoredSweep<'_> {
    fn finished(&self, key: &Key, seconds: Option<f64>, done: u64, _: u64) {
        if let Some(seconds) = seconds {
            self.computed.fetch_add(1, Ordering::SeqCst);
            self.log.add(key.as_str(), seconds);
        }
        self.monitor.advance(done, "");
    }

    fn stop_requested(&self) -> bool {
        self.monitor.stop_requested()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::{Chain, Sampled, Work};
    use ddpm_core::{Grid, ScheduleConfig, ScheduleKind, Target, TargetSpec, Variance};
    use std::sync::Mutex;

    /// Counts what was computed and stops after a while.
    #[derive(Default)]
    struct Counter {
        computed: Mutex<Vec<String>>,
        read: AtomicU64,
        stop_after: Option<usize>,
    }

    impl SweepCallbacks for Counter {
        fn finished(&self, key: &Key, seconds: Option<f64>, _: u64, _: u64) {
            match seconds {
                Some(_) => self.computed.lock().unwrap().push(key.as_str().to_owned()),
                None => {
                    self.read.fetch_add(1, Ordering::SeqCst);
                }
            }
        }

        fn stop_requested(&self) -> bool {
            self.stop_after.is_some_and(|most| self.computed.lock().unwrap().len() >= most)
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
                let schedule = ScheduleConfig::with_steps(ScheduleKind::Linear, 100);
                let sampled = (target == TargetName::Mixture2d).then_some(Sampled { number: 50, seed: 3 });
                let work = Work::Divergence {
                    chain: Chain::Schedule { schedule, grid: Grid::Trailing, steps },
                    variance: Variance::Analytic,
                    perturbation: 0.0,
                    sampled,
                };
                cells.push(Cell { target, work });
            }
        }
        cells
    }

    fn text(results: &Results) -> String {
        serde_json::to_string(&results.cells).unwrap()
    }

    fn on(threads: usize, body: impl FnOnce() -> Result<Results> + Send) -> Result<Results> {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(body)
    }

    #[test]
    fn a_stopped_sweep_goes_on_without_computing_anything_twice() {
        let (cells, targets, folder) = (cells(), targets(), tempfile::tempdir().unwrap());
        let cache = Cache::new(folder.path());
        let first = Counter { stop_after: Some(4), ..Counter::default() };
        let stopped = on(1, || run(&cells, &targets, &cache, 1, &first)).unwrap_err();
        assert!(stopped.is::<Stopped>(), "{stopped}");
        assert_eq!(first.computed.lock().unwrap().len(), 4);

        let second = Counter::default();
        let results = run(&cells, &targets, &cache, 1, &second).unwrap();
        let (before, after) = (first.computed.lock().unwrap(), second.computed.lock().unwrap());
        assert_eq!((after.len(), second.read.load(Ordering::SeqCst)), (6, 4));
        assert!(before.iter().all(|key| !after.contains(key)));

        let third = Counter::default();
        let again = run(&cells, &targets, &cache, 1, &third).unwrap();
        assert_eq!((third.computed.lock().unwrap().len(), text(&again)), (0, text(&results)));
        // Another version of the code believes none of it.
        let fourth = Counter::default();
        run(&cells, &targets, &cache, 2, &fourth).unwrap();
        assert_eq!(fourth.computed.lock().unwrap().len(), 10);
    }

    #[test]
    fn neither_threads_nor_the_cache_change_a_byte() {
        let (cells, targets) = (cells(), targets());
        let fresh = |threads| {
            let folder = tempfile::tempdir().unwrap();
            let cache = Cache::new(folder.path());
            text(&on(threads, || run(&cells, &targets, &cache, 1, &Counter::default())).unwrap())
        };
        let (sequential, parallel) = (fresh(1), fresh(4));
        assert_eq!(sequential, parallel);
        // Read back from files, one of them damaged.
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        run(&cells, &targets, &cache, 1, &Counter::default()).unwrap();
        let damaged = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        std::fs::write(&damaged, "{\"key\":").unwrap();
        let counter = Counter::default();
        assert_eq!(sequential, text(&run(&cells, &targets, &cache, 1, &counter).unwrap()));
        assert_eq!(counter.computed.lock().unwrap().len(), 1);
    }

    #[test]
    fn every_cell_of_the_plan_can_be_found_and_no_other() {
        let (cells, targets, folder) = (cells(), targets(), tempfile::tempdir().unwrap());
        let results = run(&cells, &targets, &Cache::new(folder.path()), 1, &Counter::default()).unwrap();
        for (cell, outcome) in &results.cells {
            assert_eq!(results.get(cell).unwrap(), outcome);
        }
        let other = Cell { target: TargetName::Gaussian2d, ..cells[0].clone() };
        assert!(results.get(&other).unwrap_err().to_string().contains("gaussian-2d"));
    }
}
