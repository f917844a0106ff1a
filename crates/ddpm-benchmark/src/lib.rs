//! The error benchmark: which schedule, variance, sampler and number of steps reduce the error of a diffusion sampler.
//!
//! ```text
//! plan -> cells -> sweep (cached or computed, in parallel) -> questions (tables, plots, verdicts) -> index.html, results.json
//! ```
//!
//! A cell is one computation on one closed-form target, as data: the terms of a divergence, a W2 distance, or the best placement of the visited
//! levels. Its key is a digest of everything that its result depends on. Finished cells are kept under their keys, so that a stopped run resumes and
//! a second run computes nothing. Two small networks are trained and decomposed beside the closed-form targets.
//!
//! [`run`] is the whole benchmark. Its caller passes a [`Monitor`], which shows progress and says when to stop. Times and folders go to the log and
//! into no result, so that `results.json` is the same on every machine with the same floating-point arithmetic.
//!
//! Errors are [`anyhow::Error`]s: the only caller is the binary, which prints them. One of them has a type, [`Stopped`], because it has an exit code
//! of its own.
#![deny(missing_docs)]

mod cache;
mod cell;
mod closed_form_target;
mod comparison;
mod datasets;
#[cfg(test)]
mod golden_cells;
mod monitor;
mod networks;
mod outcome;
mod output_folder;
mod plan;
mod questions;
mod report_page;
mod report_section;
mod results_file;
mod selection;
mod sweep;

pub use closed_form_target::TargetName;
pub use monitor::{Monitor, Stopped};
pub use networks::NetworkName;
pub use plan::Mode;
pub use selection::Selection;

use anyhow::Result;
use cache::Cache;
use cell::RESULTS_VERSION;
use closed_form_target::NamedTarget;
use datasets::Datasets;
use networks::TrainingRecipe;
use output_folder::OutputFolder;
use plan::{Effort, Plan};
use std::path::{Path, PathBuf};
use std::time::Instant;
use strum::VariantArray;
use sweep::Targets;
use tch::Device;

/// What to run and where.
#[derive(Debug)]
pub struct Options<'a> {
    /// The size of the sweep.
    pub mode: Mode,
    /// The folder of the results.
    pub out: &'a Path,
    /// A folder with Fashion-MNIST that replaces the cache.
    pub data_dir: Option<&'a Path>,
    /// Remove earlier results first.
    pub fresh: bool,
    /// Targets and networks to run; empty for all.
    pub selection: &'a [Selection],
    /// Seed of the Monte Carlo cells and of the trainings.
    pub seed: u64,
    /// The device of the networks.
    pub device: Device,
    /// Name and version of the program, for the foot of the report.
    pub program: &'a str,
}

impl Options<'_> {
    fn selects(&self, item: impl Into<Selection>) -> bool {
        self.selection.is_empty() || self.selection.contains(&item.into())
    }
}

/// Runs the benchmark and returns the path of the report.
///
/// # Errors
/// [`Stopped`] where `monitor` asks for a stop; otherwise an error that names the file, option or cell.
pub fn run(options: &Options<'_>, monitor: &dyn Monitor) -> Result<PathBuf> {
    let begun = Instant::now();
    let folder = OutputFolder::open(options.out)?;
    if let Some(warning) = folder.warning() {
        tracing::warn!("{warning}");
    }
    if options.fresh {
        folder.clear()?;
    }
    let log = folder.log()?;
    let fashion =
        options.selects(TargetName::FashionGaussian) || options.selects(NetworkName::FashionNetwork);
    let data = Datasets::load(fashion, options.data_dir, monitor)?;
    let mut targets = Vec::new();
    for name in TargetName::VARIANTS.iter().copied().filter(|name| options.selects(*name)) {
        targets.extend(NamedTarget::build(name, &data.digits, data.fashion.as_ref())?);
    }
    let plan = Plan { effort: Effort::new(options.mode, options.seed), targets };
    let by_name: Targets = plan.targets.iter().map(|target| (target.name, target.clone())).collect();
    let cells = questions::cells(&plan)?;
    let cache = Cache::new(&folder.cells());
    let results = sweep::run(&cells, &by_name, &cache, RESULTS_VERSION, &log, monitor)?;

    let mut networks = Vec::new();
    for name in NetworkName::VARIANTS.iter().copied().filter(|name| options.selects(*name)) {
        let Some(images) = data.of(name) else { continue };
        let recipe = TrainingRecipe::new(name, options.mode, options.seed)?;
        networks.push(networks::measure(&recipe, images, &folder, options.device, &log, monitor)?);
    }

    let mut sections = Vec::new();
    for question in &questions::QUESTIONS {
        sections.extend((question.section)(&plan, &results)?);
    }
    sections.extend(questions::network_training_error::section(&networks));
    results_file::write(&folder.results(), options.mode, &plan, &results, &sections, &data.missing)?;
    report_page::page(options.program, options.mode, &plan, sections, &data.missing)
        .write(&folder.report())?;
    log.add("everything", begun.elapsed().as_secs_f64());
    Ok(folder.report())
}
