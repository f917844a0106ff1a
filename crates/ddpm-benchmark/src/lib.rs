//! `ddpm error-benchmark`: a sweep over schedules, steps, variances, samplers and targets, and one report that answers from it.
//!
//! ```text
//! plan -> cells (cell: data with a content key) -> sweep (cache or compute, in parallel) -> questions (tables, verdicts) -> page, results.json
//! ```
//!
//! A cell's key is a digest of everything its result depends on; results are kept as they are finished, so that a killed run goes on and a
//! second run computes nothing. What depends on the machine (times, folders) goes to the log and to no result.

mod answer;
mod cache;
mod cell;
mod comparison;
mod outcome;
mod page;
mod plan;
mod questions;
mod salt;
mod sweep;
mod target;

mod data;
mod folder;
mod networks;
mod results_file;
mod subject;

use crate::progress::Progress;
use crate::runtime::StopFlag;
use anyhow::Result;
use cache::Cache;
use cell::Key;
use data::Data;
use folder::{Folder, Log};
use networks::{NetworkName, Recipe};
use plan::{Effort, Plan};
use serde::Serialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;
pub(crate) use subject::Subject;
use sweep::{Targets, Watch};
use target::NamedTarget;
use target::TargetName;
use tch::Device;

/// How far the sweep goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// Minutes.
    Quick,
    /// Everything.
    Full,
}

/// What to run and where.
#[derive(Debug)]
pub(crate) struct Options<'a> {
    /// How far.
    pub(crate) mode: Mode,
    /// Where results go.
    pub(crate) out: &'a Path,
    /// A folder with Fashion-MNIST instead of the cache.
    pub(crate) data_dir: Option<&'a Path>,
    /// Forget earlier results.
    pub(crate) fresh: bool,
    /// Targets and networks; empty for all.
    pub(crate) subjects: &'a [Subject],
    /// Seed of what is random.
    pub(crate) seed: u64,
    /// Where networks compute.
    pub(crate) device: Device,
}

impl Options<'_> {
    fn wants(&self, subject: impl Into<Subject>) -> bool {
        self.subjects.is_empty() || self.subjects.contains(&subject.into())
    }
}

/// Runs the benchmark and returns the report's path.
pub(crate) fn run(options: &Options<'_>, stop: &StopFlag) -> Result<PathBuf> {
    let begun = Instant::now();
    let folder = Folder::open(options.out)?;
    if options.fresh {
        folder.clear()?;
    }
    let fashion = options.wants(TargetName::FashionGaussian) || options.wants(NetworkName::FashionNetwork);
    let data = Data::load(fashion, options.data_dir)?;
    let effort = match options.mode {
        Mode::Quick => Effort::quick(options.seed),
        Mode::Full => Effort::full(options.seed),
    };
    let mut targets = Vec::new();
    for name in TargetName::ALL.into_iter().filter(|name| options.wants(*name)) {
        targets.extend(NamedTarget::build(name, &data.digits, data.fashion.as_ref())?);
    }
    let plan = Plan { effort, targets };
    let by_name: Targets =
        plan.targets.iter().map(|target| (target.name, target.clone())).collect::<HashMap<_, _>>();
    let cells = questions::cells(&plan)?;
    let watch = Sweep::new(cells.len() as u64, folder.log()?, stop);
    let results = sweep::run(&cells, &by_name, &Cache::new(&folder.cells()), salt::SALT, &watch)?;
    let log = watch.finish();

    let mut studied = Vec::new();
    for name in NetworkName::ALL.into_iter().filter(|name| options.wants(*name)) {
        let Some(images) = data.of(name) else { continue };
        let recipe = Recipe::new(name, options.mode, options.seed);
        studied.push(networks::study(&recipe, images, &folder, options.device, &log, stop)?);
    }

    let mut answers = Vec::new();
    for question in &questions::QUESTIONS {
        answers.extend((question.answer)(&plan, &results)?);
    }
    answers.extend(questions::training::answer(&studied)?);
    results_file::write(&folder.results(), options.mode, &plan, &results, &answers, &data.missing)?;
    page::page(options.mode, &plan, answers, &data.missing).write(&folder.report())?;
    log.add("everything", begun.elapsed().as_secs_f64());
    Ok(folder.report())
}

/// Shows progress, keeps the log, and passes the wish to stop on.
struct Sweep<'a> {
    progress: Mutex<(Progress, u64)>,
    log: Log,
    stop: &'a StopFlag,
}

impl<'a> Sweep<'a> {
    fn new(total: u64, log: Log, stop: &'a StopFlag) -> Self {
        Sweep { progress: Mutex::new((Progress::new("cells", "cells", 0, total), 0)), log, stop }
    }

    /// Ends with a line that stays.
    fn finish(self) -> Log {
        let (progress, computed) =
            self.progress.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        progress.finish(&format!("{computed} computed, the others were finished before"));
        self.log
    }
}

impl Watch for Sweep<'_> {
    fn finished(&self, key: &Key, seconds: Option<f64>, done: u64, _: u64) {
        let mut progress = self.progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(seconds) = seconds {
            progress.1 += 1;
            self.log.add(key.as_str(), seconds);
        }
        progress.0.set(done, String::new);
    }

    fn wants_stop(&self) -> bool {
        self.stop.is_set()
    }
}
