//! `metrics.jsonl`: the metrics of a training run, one JSON object a line.

use crate::{TrainError, Validation};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::Write;
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
    /// The distance between samples and real images, where this step measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance: Option<f64>,
}

/// Reads the whole lines of a metrics file. Others, such as one that a crash cut short, are left out and named in a warning.
pub fn read_metrics(path: &Path) -> Result<Vec<Metrics>, TrainError> {
    let (metrics, damaged) = read_whole_lines(path)?;
    if !damaged.is_empty() {
        tracing::warn!(
            "{}: {} left out, damaged; the other {} are read",
            path.display(),
            line_numbers(&damaged),
            metrics.len()
        );
    }
    Ok(metrics)
}

/// The whole lines, and the numbers of the others, from 1.
fn read_whole_lines(path: &Path) -> Result<(Vec<Metrics>, Vec<usize>), TrainError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(TrainError::io(path)(e)),
    };
    let (mut metrics, mut damaged) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
        match serde_json::from_slice(line) {
            Ok(line) => metrics.push(line),
            Err(_) if line.trim_ascii().is_empty() => {}
            Err(_) => damaged.push(number),
        }
    }
    Ok((metrics, damaged))
}

/// Ascending numbers in words: `line 3`, `lines 3-5, 9`.
fn line_numbers(numbers: &[usize]) -> String {
    let runs: Vec<String> = numbers
        .chunk_by(|a, b| a + 1 == *b)
        .map(|run| match run {
            [first, .., last] => format!("{first}-{last}"),
            _ => run.iter().map(usize::to_string).collect(),
        })
        .collect();
    format!("{} {}", if numbers.len() == 1 { "line" } else { "lines" }, runs.join(", "))
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
            distance: step.is_multiple_of(20).then_some(0.25),
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

    #[test]
    fn damaged_lines_are_left_out_and_counted_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let text: String = (1..=9).map(|step| as_line(&line(step))).collect();
        let starts: Vec<usize> =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let damage = |edits: &[(usize, u8)], cut: usize| {
            let mut bytes = text.as_bytes().to_vec();
            edits.iter().for_each(|&(number, byte)| bytes[starts[number - 1] + 9] = byte);
            bytes.truncate(text.len() - cut);
            std::fs::write(&path, bytes).unwrap();
            let (whole, damaged) = read_whole_lines(&path).unwrap();
            let steps: Vec<u64> = whole.iter().map(|line| line.step).collect();
            (steps, if damaged.is_empty() { String::new() } else { line_numbers(&damaged) })
        };
        let without = |gone: &[u64]| -> Vec<u64> { (1..=9).filter(|step| !gone.contains(step)).collect() };
        assert_eq!(damage(&[], 0), (without(&[]), String::new()));
        assert_eq!(damage(&[], 1), (without(&[]), String::new()));
        assert_eq!(damage(&[(1, b'x')], 0), (without(&[1]), "line 1".into()));
        assert_eq!(damage(&[(4, 0xff), (5, 0), (6, 0xc3)], 0), (without(&[4, 5, 6]), "lines 4-6".into()));
        assert_eq!(damage(&[(2, 0xff)], 7), (without(&[2, 9]), "lines 2, 9".into()));
        // A run resumes with the whole ones, and the file is whole again.
        let (mut file, last) = MetricsFile::resume(&path, 7).unwrap();
        assert_eq!(last, Some(line(7)));
        file.append(&line(8)).unwrap();
        let (whole, damaged) = read_whole_lines(&path).unwrap();
        assert_eq!((whole.len(), damaged.len()), (7, 0));
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
