//! What a run writes down as it goes: lines of metrics and TensorBoard events. A disk that is full for a while does not end the run.

use crate::metrics::{Metrics, MetricsFile};
use crate::tensorboard::EventWriter;
use crate::{Picture, RunDir, TrainError};

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
        let mut scalars = vec![
            ("train/loss".to_string(), line.loss),
            ("train/gradient_norm".to_string(), line.gradient_norm),
            ("train/learning_rate".to_string(), line.learning_rate),
            ("train/images_per_second".to_string(), line.images_per_second),
            ("train/wait_share".to_string(), line.wait_share),
        ];
        if let Some(validation) = &line.validation {
            scalars.push(("validation/loss".to_string(), validation.loss));
            scalars.extend(
                validation.levels.iter().map(|level| (format!("validation/t={:04}", level.t), level.loss)),
            );
        }
        let scalars: Vec<(&str, f64)> = scalars.iter().map(|(tag, value)| (tag.as_str(), *value)).collect();
        let events = self.events.scalars(line.step, &scalars);
        self.forgive(metrics.and(events.map_err(TrainError::from)))
    }

    /// Shows a picture of samples.
    pub(crate) fn picture(&mut self, step: u64, picture: &Picture) -> Result<(), TrainError> {
        let Picture { width, height, channels, png } = picture;
        let events = self.events.image_png(step, "samples", *width, *height, *channels, png);
        self.forgive(events.map_err(TrainError::from))
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
