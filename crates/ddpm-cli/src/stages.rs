//! The stages of a run, whatever it trains: load the data, train, and what `ddpm reproduce` adds. Each stage is skipped when its result is
//! complete, so that a rerun resumes where the last one stopped.

use crate::config::Configuration;
use crate::exit_codes::{Abandoned, Interrupted};
use crate::run::Run;
use crate::runtime::StopFlag;
use crate::stage_marks::Stage;
use crate::workers::in_turn;
use anyhow::{Result, bail, ensure};
use ddpm_train::Outcome;
use std::path::PathBuf;
use std::time::Instant;

/// What is left of an interrupted run before its training.
const NOT_BEGUN: &str = "training had not begun; the same command starts it, or resumes it";

/// What is left where a launcher restarts processes that were asked to stop.
const STOPPED_BEFORE: &str =
    "the run was asked to stop before its launcher restarted it; a new job with the same command resumes it";

/// The stages of one kind of run.
pub(crate) trait Stages: Configuration {
    /// What training reads.
    type Data;

    /// Loads the data, fetching them first where that is needed.
    fn load_data(run: &Run<Self>) -> Result<Self::Data>;

    /// Trains until the configured number of steps, from the newest checkpoint if `resume`.
    fn train_model(run: &Run<Self>, data: &Self::Data, resume: bool, stop: &StopFlag) -> Result<Outcome>;

    /// Says how long a run takes that could be long, after `done` steps, and with `may_refuse` refuses one that would take very long.
    fn check_duration(_run: &Run<Self>, _data: &Self::Data, _done: u64, _may_refuse: bool) -> Result<()> {
        Ok(())
    }

    /// Whether there are stages after training.
    const HAS_REPORT: bool;

    /// The stages after training; returns the report's path. Several processes share them, and the first of them writes.
    fn evaluate(run: &Run<Self>, data: &Self::Data, stop: &StopFlag) -> Result<PathBuf>;
}

/// A run of any kind, as the commands see it.
pub(crate) trait AnyRun {
    /// `ddpm train`: prints the newest checkpoint.
    fn train(&self, resume: bool) -> Result<()>;

    /// `ddpm reproduce`: prints the report's path. `fresh` removes earlier results first; `yes` skips the question whether the machine is
    /// fast enough.
    fn reproduce(&self, fresh: bool, yes: bool) -> Result<()>;

    /// `ddpm eval run`: the stages after training, as far as they are not done; prints the report's path.
    fn evaluate(&self) -> Result<()>;
}

impl<C: Stages> AnyRun for Run<C> {
    fn train(&self, resume: bool) -> Result<()> {
        let _lock = self.lock()?;
        check_not_stopped(self)?;
        let stop = StopFlag::install()?;
        if self.workers.is_first() {
            if resume {
                self.continue_log();
                self.check_unchanged()?;
            } else {
                self.dir.check_is_new()?;
            }
        }
        let data = stop.abandonable(NOT_BEGUN, || in_turn(&self.workers, || C::load_data(self)))?;
        match C::train_model(self, &data, resume, &stop)? {
            Outcome::Finished => crate::output::print(&format!("{}\n", self.dir.latest().display())),
            Outcome::Interrupted { step } => {
                Err(stopped(self, step, "the same command with --resume resumes the run"))
            }
        }
    }

    fn reproduce(&self, fresh: bool, yes: bool) -> Result<()> {
        if !C::HAS_REPORT {
            bail!(
                "{0} trains {1}, which has no samples and no report; use ddpm train --config {0}",
                self.name,
                C::TRAINS
            );
        }
        let _lock = self.lock()?;
        check_not_stopped(self)?;
        let stop = StopFlag::install()?;
        if !fresh && self.workers.is_first() {
            self.continue_log();
            self.check_unchanged()?;
        }
        let data = stop.abandonable(NOT_BEGUN, || {
            // First of all, so that a missing folder is found before anything is measured.
            let data = in_turn(&self.workers, || C::load_data(self))?;
            if !self.workers.is_first() {
                return Ok(data);
            }
            let done = if fresh { None } else { self.dir.newest()? };
            let may_refuse = !yes && !self.device.is_cuda();
            C::check_duration(self, &data, done.map_or(0, |(step, _)| step), may_refuse)?;
            Ok(data)
        })?;
        // Earlier results go when nothing else can refuse the run.
        if fresh && self.workers.is_first() {
            self.dir.clear()?;
        }
        if let Outcome::Interrupted { step } = train_if_needed(self, &data, &stop)? {
            return Err(stopped(self, step, "the same command resumes the run"));
        }
        let report = C::evaluate(self, &data, &stop)?;
        crate::output::print(&format!("{}\n", report.display()))
    }

    fn evaluate(&self) -> Result<()> {
        let _lock = self.lock()?;
        let stop = StopFlag::install()?;
        if self.workers.is_first() {
            self.continue_log();
        }
        ensure!(
            self.dir.newest_intact()?.is_some(),
            "{}: no checkpoint yet; train first",
            self.dir.root().display()
        );
        let data = in_turn(&self.workers, || C::load_data(self))?;
        let report = C::evaluate(self, &data, &stop)?;
        crate::output::print(&format!("{}\n", report.display()))
    }
}

/// Ends processes that a launcher restarted although the run was asked to stop; a new job takes the mark away.
fn check_not_stopped<C: Stages>(run: &Run<C>) -> Result<()> {
    if run.workers.restarts() > 0 && run.dir.was_stopped() {
        return Err(Abandoned { state: STOPPED_BEFORE }.into());
    }
    if run.workers.restarts() == 0 && run.workers.is_first() {
        run.dir.set_stopped(false)?;
    }
    Ok(())
}

/// The error of a run that stopped as asked; of several processes, a mark keeps those that a launcher restarts from going on.
fn stopped<C: Stages>(run: &Run<C>, step: u64, remedy: &'static str) -> anyhow::Error {
    let mark = run.workers.world() > 1 && run.workers.is_first();
    if mark && let Err(error) = run.dir.set_stopped(true) {
        return error.into();
    }
    Interrupted { step, remedy }.into()
}

/// The training stage of `ddpm reproduce`: nothing where all steps are done.
fn train_if_needed<C: Stages>(run: &Run<C>, data: &C::Data, stop: &StopFlag) -> Result<Outcome> {
    let steps = run.config.train().steps;
    let newest = if run.workers.is_first() { run.dir.newest_intact()? } else { None };
    let done = newest.is_some_and(|(step, _)| step >= steps);
    if run.workers.from_first(i64::from(done))? == 1 {
        return Ok(Outcome::Finished);
    }
    let before = Stage::Train.mark(run).map_or(0.0, |mark| mark.seconds);
    let begun = Instant::now();
    let outcome = C::train_model(run, data, true, stop)?;
    if run.workers.is_first() {
        Stage::Train.finish(run, &format!("{outcome:?}"), before + begun.elapsed().as_secs_f64())?;
    }
    Ok(outcome)
}
