//! What a run writes down as it goes: lines of metrics and TensorBoard events. A disk that is full for a while does not end the run.

use crate::metrics::{Metrics, MetricsFile};
use crate::tensorboard::EventWriter;
use crate::{RunDir, TrainError};

/// The open files of a run's records.
pub(crate) struct Records {
    metrics: MetricsFile,
    events: EventWriter,
    /// The last attempt failed: said once, not at every line.
    failing: bool,
}

impl Records {
    /// Opens the records of a run that goes on after `step`; also returns the last line of metrics up to there.
    pub(crate) fn resume(run: &RunDir, step: u64) -> Result<(Self, Option<Metrics>), TrainError> {
        let (metrics, last) = MetricsFile::resume(&run.metrics(), step)?;
        let events = EventWriter::create(run.root(), step + 1)?;
        Ok((Records { metrics, events, failing: false }, last))
    }

    /// Writes a line down. A disk that refuses it is a warning: metrics go out with a later line, events are left out.
    pub(crate) fn line(&mut self, line: &Metrics) -> Result<(), TrainError> {
        let metrics = self.metrics.append(line);
        let events = self.events.scalars(
            line.step,
            &[
                ("train/loss", line.loss),
                ("train/gradient_norm", line.gradient_norm),
                ("train/learning_rate", line.learning_rate),
                ("train/images_per_second", line.images_per_second),
            ],
        );
        self.forgive(metrics.and(events.map_err(TrainError::from)))
    }

    /// Brings everything to the disk, so that no line is missing from a run that goes on from the checkpoint to be written.
    pub(crate) fn sync(&mut self) -> Result<(), TrainError> {
        let metrics = self.metrics.sync();
        let events = self.events.flush();
        self.forgive(metrics.and(events.map_err(TrainError::from)))
    }

    fn forgive(&mut self, outcome: Result<(), TrainError>) -> Result<(), TrainError> {
        match outcome {
            Err(error) if error.is_storage() => {
                if !self.failing {
                    tracing::warn!("metrics cannot be written for now: {error}; training goes on");
                }
                self.failing = true;
                Ok(())
            }
            outcome => {
                self.failing = false;
                outcome
            }
        }
    }
}
