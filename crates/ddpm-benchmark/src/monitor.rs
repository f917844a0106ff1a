//! Progress and stop requests: what the caller of the benchmark sees of a run, and how it ends one.

use std::ops::ControlFlow;

/// Shows the progress of a run and says when to stop. One stage runs at a time; its methods are called from several threads.
pub trait Monitor: Sync {
    /// A stage begins, of which `done` of `total` units are finished.
    fn begin(&self, stage: &'static str, unit: &'static str, done: u64, total: u64);

    /// `done` units of the stage are finished; `note` describes the current state and may be empty.
    fn advance(&self, done: u64, note: &str);

    /// The stage has ended.
    fn end(&self, summary: &str);

    /// A line for the user.
    fn message(&self, text: &str);

    /// Whether to stop as soon as the unit in progress is finished.
    fn stop_requested(&self) -> bool;

    /// Break where a stop is requested.
    fn flow(&self) -> ControlFlow<()> {
        if self.stop_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// The run ended because [`Monitor::stop_requested`] said so. Finished work is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// During the sweep.
    #[error("stopped after {done} of {total} cells as asked; they are kept and the same command resumes")]
    Sweep {
        /// Cells with a result.
        done: u64,
        /// Cells of the sweep.
        total: u64,
    },
    /// During the training of a network.
    #[error(
        "stopped after training step {step} as asked; a checkpoint is written and the same command resumes"
    )]
    Training {
        /// Optimizer steps done.
        step: u64,
    },
    /// During the measurement of a network.
    #[error(
        "stopped while a network was measured, as asked; finished measurements are kept and the same command resumes"
    )]
    Measurement,
}
