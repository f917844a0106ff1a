//! How a closed-form target is noised, from the command line: by a discrete schedule or by a process in continuous time.

use crate::given::Given;
use crate::numbers::count;
use crate::schedule_options::ScheduleOptions;
use anyhow::{Result, anyhow};
use ddpm_core::{CoreError, Noising, ProcessConfig, ProcessKind};
use std::path::Path;

/// A schedule with its training levels, or a process with its smallest time.
#[derive(clap::Args, Debug, Clone)]
#[command(next_help_heading = "Noising of a closed-form target")]
pub(crate) struct NoisingOptions {
    /// Training levels T of the schedule [default: 1000, or as many as the file has]
    #[arg(long, value_name = "T", value_parser = count)]
    train_steps: Option<usize>,
    /// A process in continuous time instead of a schedule: vp, sub-vp, ve, ou or edm
    #[arg(long, value_name = "NAME")]
    pub(crate) process: Option<ProcessKind>,
    /// Time of the process at which sampling stops [default: 1e-3; ve: 0; edm: 0.002]
    #[arg(long, value_name = "EPS")]
    t_min: Option<f64>,
    #[command(flatten)]
    schedule: ScheduleOptions,
}

impl NoisingOptions {
    /// The noising process. Options of a schedule together with a process, or the reverse, are errors.
    pub(crate) fn build(&self, given: &Given) -> Result<Noising> {
        let Some(kind) = self.process else {
            given.refuse(&["t_min"], "on a schedule: it belongs to --process")?;
            return Ok(Noising::Discrete(self.schedule.build(self.train_steps)?));
        };
        given.refuse(&["train_steps"], "with --process, which has no training levels")?;
        given.refuse_group::<ScheduleOptions>("with --process, which stands in the schedule's place")?;
        // The key of the error is the option.
        let named = |error: CoreError| anyhow!("{}", error.to_string().replacen("t_min", "--t-min", 1));
        ProcessConfig::new(kind, self.t_min).build().map_err(named)
    }

    /// Whether any of the options stands on the command line.
    pub(crate) fn is_given(&self, given: &Given) -> bool {
        given.has_any_of::<Self>()
    }

    /// The files that are read.
    pub(crate) fn inputs(&self) -> [(&'static str, Option<&Path>); 2] {
        self.schedule.inputs()
    }

    /// The name of the schedule or the process.
    pub(crate) fn name(&self) -> &'static str {
        self.process.map_or(self.schedule.kind().name(), Into::into)
    }
}
