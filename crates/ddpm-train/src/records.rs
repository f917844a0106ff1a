//! The records of a training run: `metrics.jsonl` and TensorBoard events. A full disk does not end the run.

use crate::metrics::{Metrics, MetricsFile};
use crate::tensorboard::EventWriter;
use crate::{Picture, RunDir, TrainError};

/// The open files of a run's records.
pub(crate) struct Records {
    metrics: MetricsFile,
    events: EventWriter,
    /// The last attempt failed; the warning is given once.
    failing: bool,
}

impl Records {
    /// Opens the records of a run that resumes after `step`; also returns the last line of metrics up to there.
    pub(crate) fn resume(run: &RunDir, step: u64) -> Result<(Self, Option<Metrics>), TrainError> {
        let (metrics, last) = MetricsFile::resume(&run.metrics(), step)?;
        let events = EventWriter::create(run.root(), step + 1)?;
        Ok((Records { metrics, events, failing: false }, last))
    }

    /// Writes a line. A disk error is a warning: metrics are written with a later line, events are left out.
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
        scalars.extend(line.distance.map(|distance| ("evaluation/distance".to_string(), distance)));
        let scalars: Vec<(&str, f64)> = scalars.iter().map(|(tag, value)| (tag.as_str(), *value)).collect();
        let events = self.events.scalars(line.step, &scalars);
        self.tolerate(metrics.and(events.map_err(TrainError::from)))
    }

    /// Writes a picture of samples.
    pub(crate) fn picture(&mut self, step: u64, picture: &Picture) -> Result<(), TrainError> {
        let Picture { width, height, channels, png } = picture;
        let events = self.events.image_png(step, "samples", *width, *height, *channels, png);
        self.tolerate(events.map_err(TrainError::from))
    }

    /// Flushes everything to the disk before a checkpoint is written, so that no line is missing from a resumed run.
    pub(crate) fn sync(&mut self) -> Result<(), TrainError> {
        let metrics = self.metrics.sync();
        let events = self.events.flush();
        self.tolerate(metrics.and(events.map_err(TrainError::from)))
    }

    fn tolerate(&mut self, outcome: Result<(), TrainError>) -> Result<(), TrainError> {
        match outcome {
            Err(error) if error.is_storage() => {
                if !self.failing {
                    tracing::warn!("metrics cannot be written: {error}; training continues");
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
