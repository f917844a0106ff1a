//! The log of a run, `log.jsonl`: everything that its processes print, one JSON object a line.
//!
//! ```text
//! {"time":"2026-01-31T12:00:00.000Z","kind":"start","host":"node7","pid":4711,"device":"cuda:0","program":"ddpm 0.1.0 (abc)","command":"..."}
//! {"time":"2026-01-31T12:00:07.310Z","kind":"message","text":"train: 0.57 M parameters, 1500 steps"}
//! ```
//!
//! Each process begins with a record of the kind `start` and ends, unless it is killed, with one of the kind `end`. Between them are `message`,
//! `progress`, `output`, `error`, and the levels of diagnostics. The log is no result: nothing is computed from it. Records are held back until
//! the run has its first file, so that a run that is refused leaves nothing. A log that cannot be written does not end the run.

use crate::command_line::command_line;
use serde_json::{Map, Value, json};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Records that are held back at most.
const HELD_BACK: usize = 10_000;

static LOG: LazyLock<Mutex<RunLog>> = LazyLock::new(Mutex::default);

/// When the process began, nearly.
static BEGUN: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);

#[derive(Default)]
struct RunLog {
    /// Where the log goes, and the device of the run.
    place: Option<(PathBuf, String)>,
    file: Option<File>,
    /// Lines that are not written yet.
    pending: Vec<String>,
    /// The last write failed, perhaps within a line.
    failing: bool,
}

/// Notes when the process began.
pub(crate) fn start_clock() {
    LazyLock::force(&BEGUN);
}

/// The log of this process will be at `path`.
pub(crate) fn prepare(path: &Path, device: &str) {
    let mut log = lock();
    if log.place.as_ref().is_none_or(|(place, _)| place != path) {
        *log = RunLog {
            place: Some((path.to_path_buf(), device.to_owned())),
            pending: std::mem::take(&mut log.pending),
            ..RunLog::default()
        };
    }
}

/// Begins to write: the run has files. Without [`prepare`], or a second time, nothing happens.
pub(crate) fn begin() {
    let trouble = {
        let mut log = lock();
        let Some((path, device)) = log.place.clone().filter(|_| log.file.is_none()) else { return };
        match OpenOptions::new().create(true).append(true).open(&path) {
            Ok(file) => {
                log.file = Some(file);
                // What another process left of a line ends there.
                log.failing = std::fs::read(&path).is_ok_and(|text| text.last().is_some_and(|&c| c != b'\n'));
                log.pending.insert(0, start_record(&device));
                log.write()
            }
            Err(error) => Some(format!("{}: {error}", path.display())),
        }
    };
    report(trouble);
}

/// Adds a record.
pub(crate) fn add(kind: &str, text: &str) {
    add_record(kind, json!({ "text": text.trim_end() }));
}

/// Adds the last record of the process.
pub(crate) fn end(exit_code: u8) {
    add_record("end", json!({ "exit_code": exit_code }));
}

fn add_record(kind: &str, fields: Value) {
    let record = record(SystemTime::now(), kind, fields);
    let trouble = {
        let mut log = lock();
        if log.pending.len() < HELD_BACK {
            log.pending.push(record);
        }
        log.write()
    };
    report(trouble);
}

fn start_record(device: &str) -> String {
    let fields = json!({
        "host": gethostname::gethostname().to_string_lossy(),
        "pid": std::process::id(),
        "device": device,
        "program": env!("CARGO_PKG_VERSION"),
        "commit": env!("DDPM_COMMIT"),
        "command": command_line(),
    });
    record(*BEGUN, "start", fields)
}

fn record(time: SystemTime, kind: &str, fields: Value) -> String {
    let mut record = Map::new();
    record.insert("time".to_owned(), humantime::format_rfc3339_millis(time).to_string().into());
    record.insert("kind".to_owned(), kind.into());
    if let Value::Object(fields) = fields {
        record.extend(fields);
    }
    format!("{}\n", Value::Object(record))
}

fn lock() -> MutexGuard<'static, RunLog> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

fn report(trouble: Option<String>) {
    if let Some(trouble) = trouble {
        crate::terminal::print_line(&format!("the log cannot be written: {trouble}; the run goes on"));
    }
}

impl RunLog {
    /// Writes the pending lines; the error of a first failure. They are kept for a later attempt.
    fn write(&mut self) -> Option<String> {
        let (Some(file), Some((path, _))) = (&mut self.file, &self.place) else { return None };
        let mut text = self.pending.concat();
        if self.failing {
            text.insert(0, '\n');
        }
        // One write, so that lines of several threads are never mixed.
        match file.write_all(text.as_bytes()) {
            Ok(()) => {
                self.pending.clear();
                self.failing = false;
                None
            }
            Err(error) => {
                let first = !std::mem::replace(&mut self.failing, true);
                first.then(|| format!("{}: {error}", path.display()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_full_disk_loses_no_record_and_no_line_is_joined_to_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let open = |path: &Path| OpenOptions::new().create(true).append(true).open(path).unwrap();
        let line = |text: &str| record(SystemTime::UNIX_EPOCH, "message", json!({ "text": text }));
        let mut log = RunLog {
            place: Some((PathBuf::from("/dev/full"), "cpu".to_owned())),
            pending: vec![line("1")],
            ..RunLog::default()
        };
        assert_eq!(log.write(), None, "held back");
        if cfg!(target_os = "linux") {
            log.file = Some(open(Path::new("/dev/full")));
            assert!(log.write().is_some_and(|trouble| trouble.contains("No space left")));
            log.pending.push(line("2"));
            assert_eq!(log.write(), None, "said once");
        } else {
            log.pending.push(line("2"));
        }
        log.file = Some(open(&path));
        log.pending.push(line("3"));
        assert_eq!(log.write(), None);
        let records = read(&path);
        assert_eq!(records.iter().map(|record| &record["text"]).collect::<Vec<_>>(), ["1", "2", "3"]);
        assert!(records.iter().all(|record| record["time"] == "1970-01-01T00:00:00.000Z"));
    }
}
