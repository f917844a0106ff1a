//! The training loop: steps, metrics, evaluations, checkpoints.

use crate::agreement;
use crate::callbacks::TrainingCallbacks;
use crate::ema::Averages;
use crate::metrics::Metrics;
use crate::optimizer::Adam;
use crate::records::Records;
use crate::retention::Retention;
use crate::run_dir::{BestCheckpoint, RunDir};
use crate::step::{StepOutcome, Stepper};
use crate::train_config::TrainConfig;
use crate::training_state::{self, TrainingState};
use crate::validation::Validation;
use crate::{TrainError, Trainable};
use std::path::PathBuf;
use std::time::Instant;
use tch::Tensor;
use torch_ext::dist::Workers;

/// The end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done.
    Finished,
    /// A callback asked for a stop; a checkpoint holds everything up to here.
    Interrupted {
        /// Steps done.
        step: u64,
    },
}

/// A model in training.
#[derive(Debug)]
pub struct Trainer<'a, M> {
    stepper: Stepper<'a, M>,
    config_text: &'a str,
    run: &'a RunDir,
}

/// What the process that writes the run keeps while it trains.
struct Writer {
    records: Records,
    window: Window,
    /// Seconds of training before this process.
    elapsed_before: f64,
    begun: Instant,
}

impl Writer {
    /// In the first process; `None` in the others.
    fn begin<M: Trainable>(run: &RunDir, stepper: &Stepper<'_, M>) -> Result<Option<Self>, TrainError> {
        if !stepper.workers().is_first() {
            return Ok(None);
        }
        let (records, last) = Records::resume(run, stepper.step())?;
        let elapsed_before = last.map_or(0.0, |line| line.elapsed_seconds);
        let window = Window::begin(stepper.model().waited_seconds());
        Ok(Some(Writer { records, window, elapsed_before, begun: Instant::now() }))
    }
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
        model: M,
        config_text: &'a str,
        run: &'a RunDir,
        resume: bool,
    ) -> Result<Self, TrainError> {
        Self::among(&Workers::alone(), config, model, config_text, run, resume)
    }

    /// The same for a process of a group that shares each batch. The first process alone writes the run; all of them read its checkpoints, so
    /// that the folder must be on a disk that they share.
    pub fn among(
        workers: &Workers,
        config: &'a TrainConfig,
        mut model: M,
        config_text: &'a str,
        run: &'a RunDir,
        resume: bool,
    ) -> Result<Self, TrainError> {
        config.validate()?;
        config.check_processes(workers.world())?;
        let newest = newest_for_all(workers, run, resume)?;
        torch_ext::tf32::allow(config.tf32)?;
        let weights: &[_] = &handles(model.parameters().tensors());
        if weights.iter().any(|weight| weight.device().is_cuda()) {
            torch_ext::determinism::set(config.deterministic)?;
        }
        let (adam, averages) = (Adam::new(weights), Averages::new(&config.ema, config.batch_size, weights));
        let (step, skipped) = match newest {
            Some((_, checkpoint)) => {
                let saved = training_state::load(&checkpoint, model.parameters(), &adam, &averages)?;
                model.load_state(&training_state::folder(&checkpoint))?;
                if workers.is_first() {
                    warn_of_other_threads(&saved);
                }
                (saved.step, saved.skipped)
            }
            None => (0, 0),
        };
        if workers.is_first() {
            run.create()?;
            ddpm_data::atomic::write_bytes(run.config(), config_text.as_bytes())?;
        }
        agreement::check(workers, step, [weights, averages.published().tensors()])?;
        let stepper = Stepper::new(config, (model, adam, averages), workers, (step, skipped))?;
        Ok(Trainer { stepper, config_text, run })
    }

    /// Number of scalar weights.
    pub fn parameter_count(&self) -> u64 {
        self.stepper.model().parameters().count()
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.stepper.step()
    }

    /// One optimizer step, to its end. None for a step that was skipped: see [`TrainConfig::skip_nonfinite`].
    pub fn advance(&mut self) -> Result<Option<StepOutcome>, TrainError> {
        let outcome = self.stepper.advance()?;
        Ok(self.stepper.settle()?.or(outcome))
    }

    /// Trains to the last step, or until a callback asks for a stop.
    pub fn run(&mut self, callbacks: &mut dyn TrainingCallbacks) -> Result<Outcome, TrainError> {
        let mut writer = Writer::begin(self.run, &self.stepper)?;
        callbacks.started(self.stepper.step(), self.stepper.config().steps);

        while self.stepper.step() < self.stepper.config().steps {
            let late = self.stepper.advance()?;
            Self::take(late, &mut writer, callbacks);
            let finished = self.stepper.step() == self.stepper.config().steps;
            let divides = |step: u64, every: u64| every > 0 && step.is_multiple_of(every);
            let logged = divides(self.stepper.step(), self.stepper.config().log_every);
            if logged || finished || self.stepper.config().evaluation_at(self.stepper.step()).any() {
                let outcome = self.stepper.settle()?;
                Self::take(outcome, &mut writer, callbacks);
            }
            // The first process alone evaluates and writes; the others wait for it in the next exchange.
            let distance = match &mut writer {
                Some(writer) => self.record(writer, callbacks, finished)?,
                None => None,
            };
            let stop = self.stop_requested(callbacks)? && !finished;
            let saved = divides(self.stepper.step(), self.stepper.config().checkpoint_every);
            let due = saved || finished || stop;
            if due {
                let outcome = self.stepper.settle()?;
                Self::take(outcome, &mut writer, callbacks);
            }
            if due || logged {
                self.check_agreement()?;
            }
            if let Some(writer) = &mut writer {
                self.save_if(due, finished || stop, distance, writer, callbacks)?;
            }
            if finished || stop {
                // None ends before the checkpoint is there: a launcher ends all processes when one has ended.
                self.stepper.workers().barrier()?;
            }
            if stop {
                return Ok(Outcome::Interrupted { step: self.stepper.step() });
            }
        }
        Ok(Outcome::Finished)
    }

    /// Counts a step whose outcome has arrived.
    fn take(
        outcome: Option<StepOutcome>,
        writer: &mut Option<Writer>,
        callbacks: &mut dyn TrainingCallbacks,
    ) {
        let Some(outcome) = outcome else { return };
        if let Some(writer) = writer {
            writer.window.add(outcome);
        }
        callbacks.stepped(outcome.step, outcome.loss);
    }

    /// Whether any process was asked to stop: the same answer in all of them.
    fn stop_requested(&self, callbacks: &dyn TrainingCallbacks) -> Result<bool, TrainError> {
        let asked = f64::from(u8::from(callbacks.stop_requested()));
        let [asked] = self.stepper.workers().sums([asked])?;
        Ok(asked > 0.0)
    }

    fn check_agreement(&self) -> Result<(), TrainError> {
        let lists =
            [self.stepper.model().parameters().tensors(), self.stepper.averages().published().tensors()];
        agreement::check(self.stepper.workers(), self.stepper.step(), lists)
    }

    /// Evaluates what is due after a step, and writes a line of metrics where one is due; returns the distance if it was measured.
    fn record(
        &self,
        writer: &mut Writer,
        callbacks: &mut dyn TrainingCallbacks,
        finished: bool,
    ) -> Result<Option<f64>, TrainError> {
        let evaluation = Instant::now();
        let (validation, distance) = self.evaluate(callbacks, &mut writer.records)?;
        writer.window.begun += evaluation.elapsed();
        let due = self.stepper.step().is_multiple_of(self.stepper.config().log_every)
            || finished
            || validation.is_some()
            || distance.is_some();
        if due && writer.window.steps > 0 {
            let elapsed = writer.elapsed_before + writer.begun.elapsed().as_secs_f64();
            let line = self.line(&writer.window, elapsed, (validation, distance));
            writer.records.line(&line)?;
            callbacks.logged(&line);
            writer.window = Window::begin(self.stepper.model().waited_seconds());
        }
        Ok(distance)
    }

    /// Writes a checkpoint where one is due, or where the distance is the smallest so far. The `last` one of a process must not fail.
    fn save_if(
        &self,
        due: bool,
        last: bool,
        distance: Option<f64>,
        writer: &mut Writer,
        callbacks: &mut dyn TrainingCallbacks,
    ) -> Result<(), TrainError> {
        let best = distance.filter(|&distance| self.run.best().is_none_or(|best| distance < best.distance));
        if !due && best.is_none() {
            return Ok(());
        }
        writer.records.sync()?;
        match self.save() {
            Ok(checkpoint) => {
                if let Some(distance) = best {
                    self.run.set_best(&BestCheckpoint { step: self.stepper.step(), distance })?;
                }
                callbacks.saved(self.stepper.step(), &checkpoint);
                Ok(())
            }
            // A full disk does not end the run: the state in memory can still be saved at a later step.
            Err(error) if error.is_storage() && !last => {
                tracing::warn!(
                    "the checkpoint of step {} cannot be written: {error}; training continues, and the next checkpoint is tried",
                    self.stepper.step()
                );
                Ok(())
            }
            Err(error) => Err(self.unsaved(error)),
        }
    }

    /// Evaluates the model where that is due, and records the result.
    fn evaluate(
        &self,
        callbacks: &mut dyn TrainingCallbacks,
        records: &mut Records,
    ) -> Result<(Option<Validation>, Option<f64>), TrainError> {
        let request = self.stepper.config().evaluation_at(self.stepper.step());
        if !request.any() {
            return Ok((None, None));
        }
        let average = self.stepper.averages().published().tensors();
        let result =
            callbacks.evaluate(request, self.stepper.step(), average).map_err(TrainError::Callback)?;
        if let Some(picture) = &result.picture {
            records.picture(self.stepper.step(), picture)?;
        }
        Ok((result.validation, result.distance))
    }

    fn line(
        &self,
        window: &Window,
        elapsed_seconds: f64,
        (validation, distance): (Option<Validation>, Option<f64>),
    ) -> Metrics {
        let steps = window.steps as f64;
        let seconds = window.begun.elapsed().as_secs_f64();
        Metrics {
            step: self.stepper.step(),
            loss: window.loss / steps,
            gradient_norm: window.gradient_norm / steps,
            learning_rate: self.stepper.config().learning_rate_at(self.stepper.step() - 1),
            images_per_second: steps * self.stepper.config().batch_size as f64 / seconds,
            elapsed_seconds,
            wait_share: (self.stepper.model().waited_seconds() - window.waited_before) / seconds,
            validation,
            distance,
        }
    }

    fn unsaved(&self, cause: TrainError) -> TrainError {
        let last = self.run.newest().ok().flatten().map(|(step, _)| step);
        TrainError::Unsaved { step: self.stepper.step(), last, cause: Box::new(cause) }
    }

    /// Writes a checkpoint: the averaged weights as a pipeline directory, and the state for resuming.
    fn save(&self) -> Result<PathBuf, TrainError> {
        let progress = TrainingState {
            step: self.stepper.step(),
            skipped: self.stepper.skipped(),
            threads: tch::get_num_threads(),
            seed: self.stepper.config().seed,
        };
        let keep = Retention {
            last: self.stepper.config().keep_checkpoints,
            every: self.stepper.config().keep_every,
        };
        self.run.publish(self.stepper.step(), keep, |dir| {
            self.stepper.model().publish(dir, self.stepper.averages().published().tensors())?;
            training_state::save(
                dir,
                &progress,
                self.stepper.model().parameters(),
                self.stepper.adam(),
                self.stepper.averages(),
                self.config_text,
            )?;
            self.stepper.model().save_state(&training_state::folder(dir))
        })
    }
}

/// The checkpoint that every process resumes from, as the first one finds it.
fn newest_for_all(
    workers: &Workers,
    run: &RunDir,
    resume: bool,
) -> Result<Option<(u64, PathBuf)>, TrainError> {
    let newest = match (workers.is_first(), resume) {
        (true, true) => run.newest_intact()?,
        (true, false) => {
            run.check_is_new()?;
            None
        }
        (false, _) => None,
    };
    let step = workers.from_first(newest.map_or(-1, |(step, _)| step as i64))?;
    Ok(u64::try_from(step).ok().map(|step| (step, run.checkpoint(step))))
}

/// Handles of the same tensors.
fn handles(tensors: &[Tensor]) -> Vec<Tensor> {
    tensors.iter().map(Tensor::shallow_clone).collect()
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
