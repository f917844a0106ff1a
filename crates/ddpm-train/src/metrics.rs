//! `metrics.jsonl`: the metrics of a training run, one JSON object a line.

use crate::{TrainError, Validation};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Steps done.
    pub step: u64,
    /// Loss, averaged over the steps since the line before.
    pub loss: f64,
    /// Global norm of the gradient before clipping, averaged likewise.
    pub gradient_norm: f64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Images a second since the line before.
    pub images_per_second: f64,
    /// Seconds of training in this run, those before a resume included.
    pub elapsed_seconds: f64,
    /// Share of the time since the line before, evaluations excluded, in which a step waited for its images.
    #[serde(default)]
    pub wait_share: f64,
    /// The loss on held-out images, where this step measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
}

/// Reads a metrics file up to the first line that is not whole, such as one that a crash cut short.
pub fn read_metrics(path: &Path) -> Result<Vec<Metrics>, TrainError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(TrainError::io(path)(e)),
    };
    let mut metrics = Vec::new();
    for line in BufReader::new(file).lines() {
        match serde_json::from_str(&line.map_err(TrainError::io(path))?) {
            Ok(line) => metrics.push(line),
            Err(_) => break,
        }
    }
    Ok(metrics)
}

/// Appends to a metrics file.
#[derive(Debug)]
pub(crate) struct MetricsFile {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines in the file.
    length: u64,
    /// Lines that are not written yet.
    pending: String,
}

impl MetricsFile {
    /// Opens the file for a run that resumes after `step`: later lines are removed. Also returns the last line that stays.
    pub(crate) fn resume(path: &Path, step: u64) -> Result<(Self, Option<Metrics>), TrainError> {
        let mut kept = read_metrics(path)?;
        kept.retain(|line| line.step <= step);
        let mut text = String::new();
        for line in &kept {
            text.push_str(&as_line(line));
        }
        ddpm_data::atomic::write_bytes(path, text.as_bytes())?;
        Ok((MetricsFile::append_to(path)?, kept.last().cloned()))
    }

    fn append_to(path: &Path) -> Result<Self, TrainError> {
        let file = OpenOptions::new().append(true).open(path).map_err(TrainError::io(path))?;
        let length = file.metadata().map_err(TrainError::io(path))?.len();
        Ok(MetricsFile { path: path.to_path_buf(), file, length, pending: String::new() })
    }

    /// Adds a line. After an error (a full disk) the line is kept and goes out with the next one.
    pub(crate) fn append(&mut self, metrics: &Metrics) -> Result<(), TrainError> {
        self.pending.push_str(&as_line(metrics));
        self.write_pending()
    }

    /// Waits until every line is on the disk.
    pub(crate) fn sync(&mut self) -> Result<(), TrainError> {
        self.write_pending()?;
        self.file.sync_data().map_err(TrainError::io(&self.path))
    }

    fn write_pending(&mut self) -> Result<(), TrainError> {
        if let Err(error) = self.file.write_all(self.pending.as_bytes()) {
            // Part of a line may have been written: it is removed before a later attempt.
            let _ = self.file.set_len(self.length);
            return Err(TrainError::io(&self.path)(error));
        }
        self.length += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}

fn as_line(metrics: &Metrics) -> String {
    // Plain numbers always serialize.
    serde_json::to_string(metrics).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LevelLoss;

    fn line(step: u64) -> Metrics {
        Metrics {
            step,
            loss: 0.1 * step as f64,
            gradient_norm: 1.0,
            learning_rate: 1e-4,
            images_per_second: 10.0,
            elapsed_seconds: step as f64,
            wait_share: 0.25,
            validation: step
                .is_multiple_of(20)
                .then(|| Validation::new(vec![LevelLoss { t: 50.0, loss: 0.5 }])),
        }
    }

    #[test]
    fn a_resumed_file_ends_at_the_resumed_step() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let (mut file, last) = MetricsFile::resume(&path, 0).unwrap();
        assert_eq!(last, None);
        for step in [10, 20, 30] {
            file.append(&line(step)).unwrap();
        }
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"step\": 4").unwrap();
        let (mut file, last) = MetricsFile::resume(&path, 20).unwrap();
        assert_eq!(last, Some(line(20)));
        file.append(&line(25)).unwrap();
        assert_eq!(read_metrics(&path).unwrap(), [line(10), line(20), line(25)]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn lines_that_a_full_disk_refuses_are_kept_for_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        std::fs::write(&path, "").unwrap();
        let mut full = MetricsFile::append_to(Path::new("/dev/full")).unwrap();
        for step in [10, 20] {
            let error = full.append(&line(step)).unwrap_err().to_string();
            assert!(error.starts_with("/dev/full: No space left"), "{error}");
        }
        // The disk has room again.
        full.file = OpenOptions::new().append(true).open(&path).unwrap();
        full.append(&line(30)).unwrap();
        full.sync().unwrap();
        assert_eq!(read_metrics(&path).unwrap(), [line(10), line(20), line(30)]);
    }
}
