//! The stages of a run, whatever it trains: load the data, train, and what `ddpm reproduce` adds. Each stage is skipped when its result is
//! complete, so that a rerun resumes where the last one stopped.

use crate::config::Configuration;
use crate::exit_codes::Interrupted;
use crate::run::Run;
use crate::runtime::StopFlag;
use crate::stage_marks::Stage;
use anyhow::{Result, bail, ensure};
use ddpm_train::Outcome;
use std::path::PathBuf;
use std::time::Instant;

/// What is left of an interrupted run before its training.
const NOT_BEGUN: &str = "training had not begun; the same command starts it, or resumes it";

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

    /// The stages after training; returns the report's path.
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
        let stop = StopFlag::install()?;
        if resume {
            self.continue_log();
            self.check_unchanged()?;
        } else {
            self.dir.check_is_new()?;
        }
        let data = stop.abandonable(NOT_BEGUN, || C::load_data(self))?;
        match C::train_model(self, &data, resume, &stop)? {
            Outcome::Finished => crate::output::print(&format!("{}\n", self.dir.latest().display())),
            Outcome::Interrupted { step } => {
                Err(Interrupted { step, remedy: "the same command with --resume resumes the run" }.into())
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
        let stop = StopFlag::install()?;
        if !fresh {
            self.continue_log();
            self.check_unchanged()?;
        }
        let data = stop.abandonable(NOT_BEGUN, || {
            // First of all, so that a missing folder is found before anything is measured.
            let data = C::load_data(self)?;
            let done = if fresh { None } else { self.dir.newest()? };
            let may_refuse = !yes && !self.device.is_cuda();
            C::check_duration(self, &data, done.map_or(0, |(step, _)| step), may_refuse)?;
            Ok(data)
        })?;
        // Earlier results go when nothing else can refuse the run.
        if fresh {
            self.dir.clear()?;
        }
        if let Outcome::Interrupted { step } = train_if_needed(self, &data, &stop)? {
            return Err(Interrupted { step, remedy: "the same command resumes the run" }.into());
        }
        let report = C::evaluate(self, &data, &stop)?;
        crate::output::print(&format!("{}\n", report.display()))
    }

    fn evaluate(&self) -> Result<()> {
        let _lock = self.lock()?;
        let stop = StopFlag::install()?;
        self.continue_log();
        ensure!(
            self.dir.newest_intact()?.is_some(),
            "{}: no checkpoint yet; train first",
            self.dir.root().display()
        );
        let data = C::load_data(self)?;
        let report = C::evaluate(self, &data, &stop)?;
        crate::output::print(&format!("{}\n", report.display()))
    }
}

/// The training stage of `ddpm reproduce`: nothing where all steps are done.
fn train_if_needed<C: Stages>(run: &Run<C>, data: &C::Data, stop: &StopFlag) -> Result<Outcome> {
    let steps = run.config.train().steps;
    if run.dir.newest_intact()?.is_some_and(|(step, _)| step >= steps) {
        return Ok(Outcome::Finished);
    }
    let before = Stage::Train.mark(run).map_or(0.0, |mark| mark.seconds);
    let begun = Instant::now();
    let outcome = C::train_model(run, data, true, stop)?;
    Stage::Train.finish(run, &format!("{outcome:?}"), before + begun.elapsed().as_secs_f64())?;
    Ok(outcome)
}
