//! `ddpm decompose --report`: the page of what was found.

use super::arguments::{ClosedFormSampling, Decompose};
use crate::command_line::command_line;
use crate::global_options::Global;
use crate::runtime::{self, StopFlag, versions};
use anyhow::Result;
use ddpm_core::decomposition::MonteCarlo;
use ddpm_eval::target_study::TargetStudy;
use ddpm_nets::checkpoint::read_scheduler;
use ddpm_report::decomposition_page::{NetworkPage, PAGE};
use ddpm_report::results::DecomposeReport;
use std::path::Path;

impl Decompose {
    /// Writes the page of what was found, and of what it is compared with, to a folder.
    pub(super) fn write_target(
        &self,
        folder: &Path,
        problem: &ClosedFormSampling,
        result: DecomposeReport,
        global: &Global,
        stop: &StopFlag,
    ) -> Result<()> {
        let ClosedFormSampling { target, noising, .. } = problem;
        let default = MonteCarlo::default();
        let seed = global.seed.unwrap_or(0);
        let study = TargetStudy {
            name: self.name(),
            target,
            noising,
            grid: self.grid.unwrap_or(noising.default_grid()),
            steps: result.steps,
            scheme: problem.followed(),
            perturbation: self.perturb,
            monte_carlo: MonteCarlo { images: self.images.unwrap_or(default.images), seed, ..default },
            effort: self.effort(),
            tolerance: self.sampler.tolerance(),
            seed,
            device: runtime::prepare(global.device, global.threads)?,
            command: command_line(),
            versions: versions(),
        };
        let state = "the page was not written; the same command starts again";
        let report =
            stop.abandonable(state, || Ok(study.report(result, &mut |what| note!("report: {what}"))?))?;
        report.write(folder)?;
        note!("report: {}", folder.join(PAGE).display());
        Ok(())
    }
}

/// Writes the page of a checkpoint's decomposition to a folder.
pub(super) fn write_network(folder: &Path, checkpoint: &Path, result: DecomposeReport) -> Result<()> {
    let scheduler = read_scheduler(checkpoint)?;
    let schedule = scheduler.schedule();
    let page = NetworkPage {
        result,
        schedule,
        pictures: Vec::new(),
        run_page: None,
        command: command_line(),
        versions: versions(),
    };
    page.report()?.write(folder)?;
    note!("report: {}", folder.join(PAGE).display());
    Ok(())
}
