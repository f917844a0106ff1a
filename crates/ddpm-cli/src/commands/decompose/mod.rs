//! `ddpm decompose`: the error of a sampler as a sum of initialization, discretization, training and truncation.

mod arguments;
mod checkpoint;
mod closed_form;
mod report;
mod vector_network;
mod wasserstein;

pub(crate) use arguments::Decompose;

use crate::given::Given;
use crate::global_options::Global;
use crate::noising_options::NoisingOptions;
use crate::output::{self, JsonOutput};
use crate::runtime::{NOTHING_WRITTEN, StopFlag};
use crate::sampler_options::Origin;
use crate::target_file;
use crate::terminal_noise::warn_of_signal;
use crate::workers;
use anyhow::{Result, bail, ensure};
use arguments::{ClosedFormSampling, NetworkOptions, SplitOptions};
use ddpm_core::{Target, Variance};
use ddpm_nets::checkpoint::VectorCheckpoint;
use ddpm_report::decomposition_page::{check_folder, summary};
use ddpm_report::results::DecomposeReport;
use std::path::Path;

impl Decompose {
    /// The name of what is the work of one process: a closed-form target, or a network on vectors.
    pub(crate) fn of_one_process(&self) -> Option<&'static str> {
        match &self.network.checkpoint {
            None => Some("decompose --target"),
            Some(dir) if VectorCheckpoint::is_at(dir).unwrap_or(false) => {
                Some("decompose of a network on vectors")
            }
            Some(_) => None,
        }
    }

    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        self.refuse_options_without_effect(&global.given)?;
        self.sampler.check_thresholding(false, Origin::CommandLine)?;
        ensure!(self.perturb.is_finite(), "--perturb must be a finite number, got {}", self.perturb);
        let problem = self.target.as_ref().map(|path| self.problem(path, &global.given)).transpose()?;
        if let Some(folder) = &self.report {
            output::check_folder("--report", folder)?;
            check_folder(folder)?;
        }
        if let Some(problem) = &problem {
            let exact =
                matches!(problem.target, Target::Gaussian(_)) || problem.target.dim() == 1 && !self.w2;
            if exact {
                global.given.refuse(&["images"], "on this target: its terms are exact, not estimated")?;
            }
        }
        let stop = StopFlag::install()?;
        let report = stop.abandonable(NOTHING_WRITTEN, || match (&self.network.checkpoint, &problem) {
            (Some(dir), _) if self.is_of_vectors()? => self.vectors(dir, global, &stop),
            (Some(dir), _) => self.network(dir, global, &stop),
            (None, Some(problem)) if self.w2 => self.wasserstein(problem, global),
            (None, Some(problem)) => self.divergences(problem, global.seed.unwrap_or(0)),
            (None, None) => bail!("--checkpoint or --target is needed"),
        })?;
        check_finite(&report)?;
        if let Some(json) = &self.json {
            json.write(&report)?;
        }
        if !JsonOutput::is_standard(&self.json) {
            output::print(&summary(&report, self.all).to_text(output::width())?)?;
        }
        if let Some(folder) = self.report.as_ref().filter(|_| !workers::is_follower()) {
            match (&self.network.checkpoint, &problem) {
                (Some(_), _) if self.is_of_vectors()? => vector_network::write(folder, report)?,
                (Some(dir), _) => report::write_network(folder, dir, report)?,
                (None, Some(problem)) => self.write_target(folder, problem, report, global, &stop)?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn problem(&self, path: &Path, given: &Given) -> Result<ClosedFormSampling> {
        let noising = self.noising.build(given)?;
        warn_of_signal(&noising)?;
        Ok(ClosedFormSampling {
            scheme: self.sampler.scheme(Variance::FixedLarge, None, Origin::CommandLine)?,
            noising,
            target: target_file::read(path)?,
        })
    }

    /// Refuses options of another kind of decomposition than the one that was asked for, and outputs that are inputs.
    fn refuse_options_without_effect(&self, given: &Given) -> Result<()> {
        if JsonOutput::is_standard(&self.json) {
            given.refuse(&["all"], "with --json -, which has every level and takes the table's place")?;
        }
        if self.network.checkpoint.is_some() {
            given.refuse_group::<NoisingOptions>("with --checkpoint, which has its own noising process")?;
            if self.is_of_vectors()? {
                return self.check_outputs();
            }
            given.refuse(&["perturb"], "with --checkpoint: it is for --target")?;
            let why = "on a checkpoint of images: it is for --target and networks on vectors";
            given.refuse(&["images", "w2"], why)?;
            if self.samples.is_none() && self.step_errors.is_none() {
                let why = "without --samples or --step-errors";
                given.refuse(&["extractor", "fine_steps"], why)?;
                if self.own_path.is_none() {
                    given.refuse(&["sample_batch", "epsilon_scale"], why)?;
                }
            }
        } else {
            given.refuse_group::<NetworkOptions>("with --target: it is for --checkpoint")?;
            given.refuse_group::<SplitOptions>("with --target: it is for --checkpoint")?;
            given.refuse(
                &["step_errors", "own_path", "visited", "write_levels"],
                "with --target: it is for --checkpoint",
            )?;
        }
        if self.w2 {
            given.refuse(&["images", "all"], "with --w2, which has no terms by level")?;
        } else if self.report.is_none() && self.network.checkpoint.is_none() {
            given.refuse(&["samples"], "without --w2 or --report")?;
        }
        self.check_outputs()
    }

    /// Whether the checkpoint is one of a network on vectors.
    fn is_of_vectors(&self) -> Result<bool> {
        Ok(self.network.checkpoint.as_deref().map(VectorCheckpoint::is_at).transpose()?.unwrap_or(false))
    }

    fn check_outputs(&self) -> Result<()> {
        let [betas, alpha_bars] = self.noising.inputs();
        output::check_files(
            &[("--json", JsonOutput::path(&self.json)), ("--write-levels", self.write_levels.as_deref())],
            &[
                ("--target", self.target.as_deref()),
                ("--visited", self.visited.as_deref()),
                betas,
                alpha_bars,
            ],
        )
    }

    fn name(&self) -> String {
        self.target.as_ref().map_or_else(String::new, |path| path.display().to_string())
    }
}

/// Refuses sums that are NaN or infinite, which JSON would hold as null: a target or a perturbation beyond the range of numbers.
fn check_finite(report: &DecomposeReport) -> Result<()> {
    let w2 = report.w2.as_ref();
    for (name, value) in [
        ("init_nats", report.init_nats),
        ("discretization_nats", report.discretization_nats),
        ("training_nats", report.training_nats),
        ("total_nats", report.total_nats),
        ("vlb_bits_per_dim", report.vlb_bits_per_dim),
        ("w2.from_marginal", w2.map(|w2| w2.from_marginal)),
        ("w2.from_normal", w2.map(|w2| w2.from_normal)),
    ] {
        ensure!(
            value.is_none_or(f64::is_finite),
            "{name} is {}: the target, the perturbation or the levels are beyond the range of double precision",
            value.unwrap_or_default()
        );
    }
    Ok(())
}
