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
    /// beta at time 0 of --process vp and sub-vp [default: 0.1]
    #[arg(long, value_name = "BETA")]
    beta_min: Option<f64>,
    /// beta at time 1 of --process vp and sub-vp [default: 20]
    #[arg(long, value_name = "BETA")]
    beta_max: Option<f64>,
    /// Last time of --process ou [default: 10.05]
    #[arg(long, value_name = "TIME")]
    horizon: Option<f64>,
    #[command(flatten)]
    schedule: ScheduleOptions,
}

impl NoisingOptions {
    /// The noising process. Options of a schedule together with a process, or the reverse, are errors.
    pub(crate) fn build(&self, given: &Given) -> Result<Noising> {
        let Some(kind) = self.process else {
            let of_processes = ["t_min", "beta_min", "beta_max", "horizon"];
            given.refuse(&of_processes, "on a schedule: it belongs to --process")?;
            return Ok(Noising::Discrete(self.schedule.build(self.train_steps)?));
        };
        given.refuse(&["train_steps"], "with --process, which has no training levels")?;
        given.refuse_others_of_group::<ScheduleOptions>(
            &["sigma_min", "sigma_max"],
            "with --process, which stands in the schedule's place",
        )?;
        let (sigma_min, sigma_max) = self.schedule.sigmas();
        let Self { beta_min, beta_max, horizon, t_min, .. } = *self;
        let config = ProcessConfig { kind, beta_min, beta_max, sigma_min, sigma_max, horizon, t_min };
        config.build().map_err(|error| named(&error))
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

/// An error about a key of a process, which is an option here.
fn named(error: &CoreError) -> anyhow::Error {
    let text = error.to_string();
    let keys = ["beta_min", "beta_max", "sigma_min", "sigma_max", "horizon", "t_min"];
    let option = |key: &str| format!("--{}", key.replace('_', "-"));
    match keys.into_iter().find(|key| text.contains(&format!("does not take key \"{key}\""))) {
        Some(key) => anyhow!("{} has no effect: {text}", option(key)),
        None => anyhow!("{}", keys.into_iter().fold(text, |text, key| text.replace(key, &option(key)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, Command};
    use ddpm_core::Process;

    #[test]
    fn help_states_the_defaults_of_the_processes() {
        let help = NoisingOptions::augment_args(Command::new("noising")).render_long_help().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        let says = |words: String| assert!(help.contains(&words), "{words}: {help}");
        for kind in ProcessKind::ALL {
            match kind.process() {
                Process::VariancePreserving { beta_min, beta_max }
                | Process::SubVariancePreserving { beta_min, beta_max } => {
                    says(format!("beta at time 0 of --process vp and sub-vp [default: {beta_min}]"));
                    says(format!("beta at time 1 of --process vp and sub-vp [default: {beta_max}]"));
                }
                Process::VarianceExploding { sigma_min, sigma_max } => {
                    says(format!("also of ve: {sigma_min}]"));
                    says(format!("also of ve: {sigma_max} and edm"));
                }
                Process::OrnsteinUhlenbeck { horizon } => says(format!("--process ou [default: {horizon}]")),
                Process::Edm { sigma_max } => says(format!("edm: {sigma_max}]")),
                Process::Discrete(_) => {}
            }
        }
    }
}
