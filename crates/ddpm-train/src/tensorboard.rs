//! TensorBoard event files.
//!
//! An event file is a sequence of TFRecords, each holding one `Event` protocol buffer. The first names the format,
//! `brain.Event:2`. A run that is resumed adds a file beside the older ones; its second event is a session start at the
//! first step to be written. On it TensorBoard's reader drops everything that older files recorded at that step or later,
//! so that repeated steps are not drawn twice.

mod proto;
mod record;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use prost::Message;

use proto::{Event, Image, SessionLog, SessionStatus, Summary, SummaryValue, event, summary_value};

/// Names the event format; TensorBoard reads session starts only from files that carry it.
const FILE_VERSION: &str = "brain.Event:2";
/// Every event file's name begins so; TensorBoard recognizes files by it.
const FILE_PREFIX: &str = "events.out.tfevents.";

/// Why an event file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The folder for event files could not be made or listed.
    #[error("cannot use {} as a folder for TensorBoard events: {source}", path.display())]
    Folder {
        /// The folder asked for.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// An event could not be written.
    #[error("cannot write TensorBoard events to {}: {source}", path.display())]
    Write {
        /// The event file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A count that the format stores in fewer bits.
    #[error("TensorBoard events cannot hold {name} {got}: expected at most {max}")]
    TooLarge {
        /// What the number counts.
        name: &'static str,
        /// The number given.
        got: u64,
        /// The largest the format holds.
        max: u64,
    },
}

/// Where the wall time of events comes from: seconds since 1970-01-01 UTC.
type Clock = Box<dyn FnMut() -> f64 + Send>;

/// Writes scalars and images to one TensorBoard event file.
///
/// Each event reaches the operating system in one write, so a process that is killed leaves whole records behind.
pub struct EventWriter {
    file: File,
    path: PathBuf,
    clock: Clock,
    /// Bytes of whole records in the file.
    length: u64,
}

impl EventWriter {
    /// Opens a new event file in `dir`, which is created where it is missing.
    ///
    /// `first_step` is the first step that this writer will record: 0 for a new run, the resumed step plus one
    /// for a continued one. What earlier files in `dir` hold from that step on no longer counts.
    pub fn create(dir: &Path, first_step: u64) -> Result<Self, EventError> {
        Self::create_with_clock(dir, first_step, system_seconds)
    }

    /// As [`EventWriter::create`], with the wall time of events taken from `clock` (seconds since 1970-01-01 UTC).
    pub fn create_with_clock(
        dir: &Path,
        first_step: u64,
        mut clock: impl FnMut() -> f64 + Send + 'static,
    ) -> Result<Self, EventError> {
        let folder_error = |source| EventError::Folder { path: dir.to_path_buf(), source };
        fs::create_dir_all(dir).map_err(folder_error)?;
        // TensorBoard reads the files of a folder in the order of their names, and a session start only affects
        // what was read before it: the name must sort last even if the clock was set back.
        let newest = newest_file_time(dir).map_err(folder_error)?;
        let now = clock().max(0.0) as u64;
        let time = newest.map_or(now, |newest| now.max(newest.saturating_add(1)));
        let path = dir.join(format!("{FILE_PREFIX}{time:010}.{}.{}.0", host_name(), std::process::id()));
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&path)
            .map_err(|source| EventError::Write { path: path.clone(), source })?;

        let mut writer = Self { file, path, clock: Box::new(clock), length: 0 };
        writer.event(first_step, event::What::FileVersion(FILE_VERSION.to_owned()))?;
        let start = SessionLog { status: SessionStatus::Start.into(), ..SessionLog::default() };
        writer.event(first_step, event::What::SessionLog(start))?;
        Ok(writer)
    }

    /// The event file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records values of one step in one event; TensorBoard keeps 32 bits of each. Slashes in the tag group plots: `loss/train`.
    pub fn scalars(&mut self, step: u64, values: &[(&str, f64)]) -> Result<(), EventError> {
        let value = values
            .iter()
            .map(|&(tag, value)| SummaryValue {
                tag: tag.to_owned(),
                value: Some(summary_value::Value::Simple(value as f32)),
            })
            .collect();
        self.event(step, event::What::Summary(Summary { value }))
    }

    /// Records a picture, given as the bytes of a PNG file of `width` x `height` pixels with `channels` (1 grey,
    /// 2 grey and alpha, 3 RGB, 4 RGBA).
    pub fn image_png(
        &mut self,
        step: u64,
        tag: &str,
        width: u32,
        height: u32,
        channels: u32,
        png: &[u8],
    ) -> Result<(), EventError> {
        let image = Image {
            height: to_i32("an image height of", height)?,
            width: to_i32("an image width of", width)?,
            colorspace: to_i32("a channel count of", channels)?,
            encoded_image_string: png.to_vec(),
        };
        let value = SummaryValue { tag: tag.to_owned(), value: Some(summary_value::Value::Image(image)) };
        self.event(step, event::What::Summary(Summary { value: vec![value] }))
    }

    /// Waits until what was recorded is on the disk; a reader sees it without this.
    pub fn flush(&mut self) -> Result<(), EventError> {
        self.file.sync_data().map_err(|source| EventError::Write { path: self.path.clone(), source })
    }

    fn event(&mut self, step: u64, what: event::What) -> Result<(), EventError> {
        let max = i64::MAX as u64;
        let step = i64::try_from(step).map_err(|_| EventError::TooLarge { name: "step", got: step, max })?;
        let event = Event { wall_time: (self.clock)(), step, what: Some(what) };
        let bytes = record::encode(&event.encode_to_vec());
        if let Err(source) = self.file.write_all(&bytes) {
            // Readers stop at a record that a full disk cut short.
            let _ = self.file.set_len(self.length);
            return Err(EventError::Write { path: self.path.clone(), source });
        }
        self.length += bytes.len() as u64;
        Ok(())
    }
}

fn system_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

/// The latest time that the name of an event file in `dir` carries.
fn newest_file_time(dir: &Path) -> io::Result<Option<u64>> {
    let mut newest = None;
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let time = name
            .to_str()
            .and_then(|name| name.strip_prefix(FILE_PREFIX))
            .and_then(|rest| rest.split('.').next())
            .and_then(|time| time.parse().ok());
        newest = newest.max(time);
    }
    Ok(newest)
}

/// The host's name with everything but letters, digits and hyphens replaced: it becomes part of a file name.
fn host_name() -> String {
    let name: String = gethostname::gethostname()
        .to_string_lossy()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

fn to_i32(name: &'static str, count: u32) -> Result<i32, EventError> {
    let max = i32::MAX as u64;
    i32::try_from(count).map_err(|_| EventError::TooLarge { name, got: u64::from(count), max })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_events(path: &Path) -> Vec<Event> {
        let bytes = fs::read(path).unwrap();
        record::decode_all(&bytes)
            .unwrap()
            .into_iter()
            .map(|payload| Event::decode(payload).unwrap())
            .collect()
    }

    #[test]
    fn what_was_recorded_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut seconds = 1.7e9;
        let mut writer = EventWriter::create_with_clock(dir.path(), 7, move || {
            seconds += 0.5;
            seconds
        })
        .unwrap();
        writer.scalars(8, &[("loss/train", 0.25), ("learning_rate", 2e-4)]).unwrap();
        writer.image_png(9, "samples", 3, 2, 1, b"not looked at").unwrap();
        writer.flush().unwrap();

        let events = read_events(writer.path());
        assert_eq!(events.len(), 4);
        assert_eq!(events[0].what, Some(event::What::FileVersion("brain.Event:2".into())));
        let Some(event::What::SessionLog(start)) = &events[1].what else { panic!("no session start") };
        assert_eq!((start.status(), events[1].step), (SessionStatus::Start, 7));
        let Some(event::What::Summary(scalars)) = &events[2].what else { panic!("no scalars") };
        let scalars: Vec<_> = scalars.value.iter().map(|v| (v.tag.as_str(), v.value.clone())).collect();
        assert_eq!(events[2].step, 8);
        assert_eq!(
            scalars,
            [
                ("loss/train", Some(summary_value::Value::Simple(0.25))),
                ("learning_rate", Some(summary_value::Value::Simple(2e-4)))
            ]
        );
        let Some(event::What::Summary(images)) = &events[3].what else { panic!("no image") };
        let Some(summary_value::Value::Image(image)) = &images.value[0].value else { panic!("no image") };
        assert_eq!((image.width, image.height, image.colorspace), (3, 2, 1));
        assert_eq!(image.encoded_image_string, b"not looked at");
        // The name takes one reading of the clock, then each event one.
        assert_eq!(events.iter().map(|e| e.wall_time - 1.7e9).collect::<Vec<_>>(), [1.0, 1.5, 2.0, 2.5]);
    }

    #[test]
    fn a_later_file_sorts_last_even_when_the_clock_is_set_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut names = Vec::new();
        for seconds in [1_700_000_000.0, 1_700_000_000.0, 1_600_000_000.0] {
            let writer = EventWriter::create_with_clock(dir.path(), 0, move || seconds).unwrap();
            names.push(writer.path().to_path_buf());
        }
        assert!(names.is_sorted() && names[0] < names[1] && names[1] < names[2], "{names:?}");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("taken");
        fs::write(&file, b"").unwrap();
        let error = EventWriter::create(&file, 0).err().unwrap().to_string();
        assert!(error.contains("taken") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn a_step_beyond_the_format_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = EventWriter::create(dir.path(), u64::MAX).err().unwrap().to_string();
        assert!(error.contains("step 18446744073709551615"), "{error}");
    }
}
