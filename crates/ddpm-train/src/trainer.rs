//! One run from its first step to its last.

use crate::config::TrainConfig;
use crate::metrics::Metrics;
use crate::optimizer::Adam;
use crate::records::Records;
use crate::run::Keep;
use crate::state::{self, TrainingState};
use crate::step::StepOutcome;
use crate::{Averages, Due, Findings, RunDir, TrainError, Trainable, Validation};
use std::path::Path;
use std::time::Instant;
use tch::Tensor;

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

    /// Looks at the model after a step at which something is due: `average` holds the weights that would be published, in the order of the
    /// model's parameters. Nothing that happens here reaches the training.
    fn look(
        &mut self,
        due: Due,
        steps: u64,
        average: &[Tensor],
    ) -> Result<Findings, Box<dyn std::error::Error + Send + Sync>> {
        let _ = (due, steps, average);
        Ok(Findings::default())
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
struct Window {
    begun: Instant,
    /// The model's count of waited seconds when it began.
    waited_before: f64,
    loss: f64,
    gradient_norm: f64,
    steps: u64,
}

impl Window {
    fn begin(waited_before: f64) -> Self {
        Window { begun: Instant::now(), waited_before, loss: 0.0, gradient_norm: 0.0, steps: 0 }
    }

    fn add(&mut self, outcome: StepOutcome) {
        self.loss += outcome.loss;
        self.gradient_norm += outcome.gradient_norm;
        self.steps += 1;
    }
}

impl<'a, M: Trainable> Trainer<'a, M> {
    /// A run at its first step, or, with `resume`, at its newest checkpoint if there is one.
    ///
    /// `config_text` is the whole resolved configuration, kept in the run directory and in each checkpoint. A run directory that already
    /// holds a run is refused without `resume`.
    pub fn new(
        config: &'a TrainConfig,
        mut model: M,
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
                model.load_state(&state::folder(&checkpoint))?;
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
        let mut window = Window::begin(self.model.waited_seconds());
        observer.started(self.step, self.config.steps);

        while self.step < self.config.steps {
            if let Some(outcome) = self.advance()? {
                window.add(outcome);
                observer.stepped(self.step, outcome.loss);
            }
            let finished = self.step == self.config.steps;
            let looking = Instant::now();
            let validation = self.look(observer, &mut records)?;
            window.begun += looking.elapsed();
            let due = self.step.is_multiple_of(self.config.log_every) || finished || validation.is_some();
            if due && window.steps > 0 {
                let elapsed = elapsed_before + begun.elapsed().as_secs_f64();
                let line = self.line(&window, elapsed, validation);
                records.line(&line)?;
                observer.measured(&line);
                window = Window::begin(self.model.waited_seconds());
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

    /// Lets the observer look at the model where that is due, and writes down what it found.
    fn look(
        &self,
        observer: &mut dyn Observer,
        records: &mut Records,
    ) -> Result<Option<Validation>, TrainError> {
        let due = self.config.due(self.step);
        if !due.any() {
            return Ok(None);
        }
        let average = self.averages.published().tensors();
        let findings = observer.look(due, self.step, average).map_err(TrainError::Look)?;
        if let Some(picture) = &findings.picture {
            records.picture(self.step, picture)?;
        }
        Ok(findings.validation)
    }

    fn line(&self, window: &Window, elapsed_seconds: f64, validation: Option<Validation>) -> Metrics {
        let steps = window.steps as f64;
        let seconds = window.begun.elapsed().as_secs_f64();
        Metrics {
            step: self.step,
            loss: window.loss / steps,
            gradient_norm: window.gradient_norm / steps,
            learning_rate: self.config.learning_rate_at(self.step - 1),
            images_per_second: steps * self.config.batch_size as f64 / seconds,
            elapsed_seconds,
            wait_share: (self.model.waited_seconds() - window.waited_before) / seconds,
            validation,
        }
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
            state::save(
                dir,
                &progress,
                self.model.parameters(),
                &self.adam,
                &self.averages,
                self.config_text,
            )?;
            self.model.save_state(&state::folder(dir))
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
