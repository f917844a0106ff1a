//! Command-line arguments of `ddpm error-benchmark`, and its progress on the terminal.

use crate::global_options::Global;
use crate::output::print;
use crate::progress::Progress;
use crate::runtime::{self, StopFlag};
use anyhow::Result;
use ddpm_benchmark::{Mode, Monitor, Options, Selection};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Sweep schedules, steps, variances, samplers and targets, and report which choices reduce the error
///
/// Closed-form targets are computed exactly and in parallel; networks are trained first where they are not there yet. Finished cells are kept
/// by content: a run that was stopped or killed resumes, and a second run computes nothing and writes the same results.json byte for byte.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  ddpm error-benchmark --quick
  ddpm error-benchmark --data-dir /data/fashion-mnist
  ddpm error-benchmark --quick --targets mixture-1d,gaussian-2d --out /tmp/closed-form
Writes index.html (the report), results.json (every figure) and log.jsonl (times) into the folder.")]
pub(crate) struct ErrorBenchmark {
    /// A smaller sweep with shortly trained networks: minutes on two cores
    #[arg(long)]
    quick: bool,
    /// Where results go, and where an earlier run's are found
    #[arg(long, value_name = "DIR", default_value = "runs/error-benchmark")]
    out: PathBuf,
    /// A folder with Fashion-MNIST instead of fetching it
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Only these: mixture-1d, mixture-2d, gaussian-2d, digits-gaussian, fashion-gaussian, cifar10-gaussian, digits-network,
    /// fashion-network [default: all]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    targets: Vec<Selection>,
    /// Remove the folder's earlier results first
    #[arg(long)]
    fresh: bool,
}

impl ErrorBenchmark {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let needs_fashion = |target: &Selection| match target {
            Selection::Target(name) => name.to_string().starts_with("fashion"),
            Selection::Network(name) => name.to_string().starts_with("fashion"),
        };
        if !self.targets.is_empty() && !self.targets.iter().any(needs_fashion) {
            global.given.refuse(&["data_dir"], "without a target that needs Fashion-MNIST")?;
        }
        let device = runtime::prepare(global.device, global.threads)?;
        let stop = StopFlag::install()?;
        let options = Options {
            mode: if self.quick { Mode::Quick } else { Mode::Full },
            out: &self.out,
            data_dir: self.data_dir.as_deref(),
            fresh: self.fresh,
            selection: &self.targets,
            seed: global.seed.unwrap_or(0),
            device,
            program: runtime::PROGRAM,
        };
        let report =
            ddpm_benchmark::run(&options, &TerminalMonitor { stop: &stop, stage: Mutex::new(None) })?;
        print(&format!("{}\n", report.display()))
    }
}

/// Progress bars on the standard error, and the stop request of a signal.
struct TerminalMonitor<'a> {
    stop: &'a StopFlag,
    stage: Mutex<Option<Progress>>,
}

impl TerminalMonitor<'_> {
    fn stage(&self) -> MutexGuard<'_, Option<Progress>> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Monitor for TerminalMonitor<'_> {
    fn begin(&self, stage: &'static str, unit: &'static str, done: u64, total: u64) {
        // Also while a server does not answer, when nobody could be asked.
        self.stop.set_abandonable(
            (stage == "fetch").then_some("what has arrived is kept, and the same command goes on from there"),
        );
        *self.stage() = Some(Progress::new(stage, unit, done, total));
    }

    fn advance(&self, done: u64, note: &str) {
        if let Some(progress) = self.stage().as_mut() {
            progress.set(done, || note.to_owned());
        }
    }

    fn end(&self, summary: &str) {
        self.stop.set_abandonable(None);
        if let Some(progress) = self.stage().take() {
            progress.finish(summary);
        }
    }

    fn message(&self, text: &str) {
        note!("{text}");
    }

    fn stop_requested(&self) -> bool {
        self.stop.is_set()
    }
}
