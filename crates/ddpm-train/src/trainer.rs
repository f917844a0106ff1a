//! One run from its first step to its last.

use crate::config::TrainConfig;
use crate::metrics::Metrics;
use crate::optimizer::Adam;
use crate::records::Records;
use crate::run::Keep;
use crate::state::{self, TrainingState};
use crate::step::StepOutcome;
use crate::{Averages, RunDir, TrainError, Trainable};
use std::path::Path;
use std::time::Instant;

/// What the caller of a run sees of it, and its way to stop it. Every method has an empty default.
pub trait Observer {
    /// Training goes from step `from` (0 for a new run) to `to`.
    fn started(&mut self, from: u64, to: u64) {
        let _ = (from, to);
    }

    /// `steps` steps are done; the loss is that of the last one.
    fn stepped(&mut self, steps: u64, loss: f64) {
        let _ = (steps, loss);
    }

    /// A line of metrics was written.
    fn measured(&mut self, metrics: &Metrics) {
        let _ = metrics;
    }

    /// A checkpoint was written.
    fn saved(&mut self, steps: u64, checkpoint: &Path) {
        let _ = (steps, checkpoint);
    }

    /// Asked after every step: whether to write a checkpoint and stop.
    fn wants_stop(&self) -> bool {
        false
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done.
    Finished,
    /// The observer asked for a stop; a checkpoint holds everything up to here.
    Interrupted {
        /// Steps done.
        step: u64,
    },
}

/// A model in training.
#[derive(Debug)]
pub struct Trainer<'a, M> {
    pub(crate) config: &'a TrainConfig,
    config_text: &'a str,
    run: &'a RunDir,
    pub(crate) model: M,
    pub(crate) adam: Adam,
    pub(crate) averages: Averages,
    /// Steps done, those passed over included.
    pub(crate) step: u64,
    /// Steps passed over because something was not finite.
    pub(crate) skipped: u64,
}

/// Sums between two lines of metrics.
#[derive(Default)]
struct Window {
    loss: f64,
    gradient_norm: f64,
    steps: u64,
}

impl<'a, M: Trainable> Trainer<'a, M> {
    /// A run at its first step, or, with `resume`, at its newest checkpoint if there is one.
    ///
    /// `config_text` is the whole resolved configuration, kept in the run directory and in each checkpoint. A run directory that already
    /// holds a run is refused without `resume`.
    pub fn new(
        config: &'a TrainConfig,
        model: M,
        config_text: &'a str,
        run: &'a RunDir,
        resume: bool,
    ) -> Result<Self, TrainError> {
        config.validate()?;
        if !resume && (run.newest()?.is_some() || run.config().exists()) {
            return Err(TrainError::RunExists(run.root().to_path_buf()));
        }
        let newest = if resume { run.newest_intact()? } else { None };
        torch_ext::tf32::allow(config.tf32)?;
        let weights = model.parameters().tensors();
        let (adam, averages) = (Adam::new(weights), Averages::new(&config.ema, config.batch_size, weights));
        let (step, skipped) = match newest {
            Some((_, checkpoint)) => {
                let saved = state::load(&checkpoint, model.parameters(), &adam, &averages)?;
                warn_of_other_threads(&saved);
                (saved.step, saved.skipped)
            }
            None => (0, 0),
        };
        run.create()?;
        ddpm_data::atomic::write_bytes(run.config(), config_text.as_bytes())?;
        Ok(Trainer { config, config_text, run, model, adam, averages, step, skipped })
    }

    /// Number of scalar weights.
    pub fn parameter_count(&self) -> u64 {
        self.model.parameters().count()
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Trains to the last step, or until the observer asks for a stop.
    pub fn run(&mut self, observer: &mut dyn Observer) -> Result<Outcome, TrainError> {
        let (mut records, last) = Records::resume(self.run, self.step)?;
        let elapsed_before = last.map_or(0.0, |line| line.elapsed_seconds);
        let begun = Instant::now();
        let mut window_begun = begun;
        let mut window = Window::default();
        observer.started(self.step, self.config.steps);

        while self.step < self.config.steps {
            if let Some(StepOutcome { loss, gradient_norm }) = self.advance()? {
                window.loss += loss;
                window.gradient_norm += gradient_norm;
                window.steps += 1;
                observer.stepped(self.step, loss);
            }

            let finished = self.step == self.config.steps;
            if (self.step.is_multiple_of(self.config.log_every) || finished) && window.steps > 0 {
                let steps = window.steps as f64;
                let line = Metrics {
                    step: self.step,
                    loss: window.loss / steps,
                    gradient_norm: window.gradient_norm / steps,
                    learning_rate: self.config.learning_rate_at(self.step - 1),
                    images_per_second: steps * self.config.batch_size as f64
                        / window_begun.elapsed().as_secs_f64(),
                    elapsed_seconds: elapsed_before + begun.elapsed().as_secs_f64(),
                };
                records.line(&line)?;
                observer.measured(&line);
                window = Window::default();
                window_begun = Instant::now();
            }
            let stop = observer.wants_stop() && !finished;
            let due =
                self.config.checkpoint_every > 0 && self.step.is_multiple_of(self.config.checkpoint_every);
            if due || finished || stop {
                records.sync()?;
                match self.save() {
                    Ok(checkpoint) => observer.saved(self.step, &checkpoint),
                    // A full disk: what is in memory is worth more than a clean end.
                    Err(error) if error.is_storage() && !finished && !stop => {
                        tracing::warn!(
                            "the checkpoint of step {} cannot be written: {error}; training goes on and tries again at the next",
                            self.step
                        );
                    }
                    Err(error) => return Err(self.unsaved(error)),
                }
            }
            if stop {
                return Ok(Outcome::Interrupted { step: self.step });
            }
        }
        Ok(Outcome::Finished)
    }

    fn unsaved(&self, cause: TrainError) -> TrainError {
        let last = self.run.newest().ok().flatten().map(|(step, _)| step);
        TrainError::Unsaved { step: self.step, last, cause: Box::new(cause) }
    }

    /// Writes a checkpoint: the averaged weights as a pipeline directory, and the state for resuming.
    fn save(&self) -> Result<std::path::PathBuf, TrainError> {
        let progress = TrainingState {
            step: self.step,
            skipped: self.skipped,
            threads: tch::get_num_threads(),
            seed: self.config.seed,
        };
        let keep = Keep { last: self.config.keep_checkpoints, every: self.config.keep_every };
        self.run.publish(self.step, keep, |dir| {
            self.model.publish(dir, self.averages.published().tensors())?;
            state::save(dir, &progress, self.model.parameters(), &self.adam, &self.averages, self.config_text)
        })
    }
}

fn warn_of_other_threads(saved: &TrainingState) {
    let threads = tch::get_num_threads();
    if saved.threads != threads {
        tracing::warn!(
            "the checkpoint was written with {} CPU threads, this process has {threads}: roundings will differ from an uninterrupted run's (--threads {})",
            saved.threads,
            saved.threads
        );
    }
}
