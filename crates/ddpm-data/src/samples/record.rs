//! `samples.json`: what samples are made with, how many are on the disk, and whether these are all.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::labels::Labels;
use crate::atomic;
use crate::error::{DataError, Place, Result};

/// The file's name.
pub(super) const NAME: &str = "samples.json";
/// The version of its format.
const VERSION: u64 = 1;
/// Keys that are not compared: where the inputs were, and the state of the writing.
const SOURCE: &str = "source";
const FINISHED: &str = "finished";
const COMPLETE: &str = "complete";

/// What is to be written.
#[derive(Clone, Debug)]
pub struct SamplePlan {
    /// Everything that the samples depend on, besides the fields below. Samples go on only under the same settings.
    pub settings: Map<String, Value>,
    /// Where the inputs were found, for information: the same checkpoint may lie elsewhere.
    pub source: Map<String, Value>,
    /// Number of samples.
    pub num: u64,
    /// Samples at once: a resumed output goes on at a multiple of it.
    pub batch_size: u64,
    /// Shape of one sample: [channels, height, width] for images.
    pub shape: Vec<usize>,
    /// Classes, where the model has them.
    pub labels: Option<Labels>,
}

impl SamplePlan {
    /// Numbers in one sample.
    pub(super) fn dimension(&self) -> u64 {
        self.shape.iter().map(|&size| size as u64).product()
    }
}

/// The content of `samples.json`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    fields: Map<String, Value>,
    /// Samples on the disk.
    pub(super) finished: u64,
    /// Whether these are all.
    pub(super) complete: bool,
}

/// A setting in which two records differ.
#[derive(Debug, PartialEq)]
pub(super) struct Difference {
    /// The key, with dots between the keys of nested objects.
    pub(super) key: String,
    pub(super) old: String,
    pub(super) new: String,
}

impl Record {
    /// The record of a plan before its first sample; `files` is the kind of output.
    pub(super) fn new(plan: &SamplePlan, files: &str) -> Self {
        let mut fields = Map::new();
        let mut put = |key: &str, value: Value| fields.insert(key.to_string(), value);
        put("version", json!(VERSION));
        put("files", json!(files));
        put("num", json!(plan.num));
        put("batch_size", json!(plan.batch_size));
        put("shape", json!(plan.shape));
        if let Some(labels) = &plan.labels {
            put("classes", json!(labels));
        }
        fields.extend(plan.settings.clone());
        fields.insert(SOURCE.to_string(), Value::Object(plan.source.clone()));
        Record { fields, finished: 0, complete: false }
    }

    /// The record of a folder, if it has one.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(NAME);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(DataError::io("read", &path))?,
        };
        let expected = "settings, `finished` and `complete`";
        let malformed = |got: &str| DataError::malformed(&path, Place::WholeFile, expected, got);
        let mut fields: Map<String, Value> =
            serde_json::from_slice(&bytes).map_err(|error| malformed(&error.to_string()))?;
        let finished = fields.shift_remove(FINISHED).and_then(|value| value.as_u64());
        let complete = fields.shift_remove(COMPLETE).and_then(|value| value.as_bool());
        match (finished, complete) {
            (Some(finished), Some(complete)) => Ok(Some(Record { fields, finished, complete })),
            _ => Err(malformed("an object without them")),
        }
    }

    /// Replaces the record of a folder.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let mut fields = self.fields.clone();
        fields.insert(FINISHED.to_string(), json!(self.finished));
        fields.insert(COMPLETE.to_string(), json!(self.complete));
        let path = folder.join(NAME);
        let mut text = serde_json::to_string_pretty(&fields)
            .map_err(|error| DataError::io("write", &path)(error.into()))?;
        text.push('\n');
        atomic::write_bytes(&path, text.as_bytes())
    }

    /// The settings as one line of JSON in ASCII, for the metadata of a single file.
    pub(super) fn settings(&self) -> String {
        let text = Value::Object(self.fields.clone()).to_string();
        let mut ascii = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                c if c.is_ascii() => ascii.push(c),
                // Only inside of strings, where JSON has these escapes, of UTF-16 units.
                c => {
                    let escape = |unit: &u16| format!("\\u{unit:04x}");
                    ascii.extend(c.encode_utf16(&mut [0; 2]).iter().map(escape));
                }
            }
        }
        ascii
    }

    /// The first setting in which another record differs.
    pub(super) fn difference(&self, new: &Record) -> Option<Difference> {
        first_difference("", &self.fields, &new.fields)
    }
}

fn first_difference(prefix: &str, old: &Map<String, Value>, new: &Map<String, Value>) -> Option<Difference> {
    let keys = new.keys().chain(old.keys().filter(|key| !new.contains_key(*key)));
    for key in keys.filter(|key| !(prefix.is_empty() && key.as_str() == SOURCE)) {
        let name = format!("{prefix}{key}");
        match (old.get(key), new.get(key)) {
            (Some(Value::Object(old)), Some(Value::Object(new))) => {
                if let Some(found) = first_difference(&format!("{name}."), old, new) {
                    return Some(found);
                }
            }
            (old, new) if old != new => {
                let text = |value: Option<&Value>| match value {
                    None => "none".to_string(),
                    Some(Value::String(text)) => text.clone(),
                    Some(value) => value.to_string(),
                };
                return Some(Difference { key: name, old: text(old), new: text(new) });
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(settings: Value, path: &str) -> Record {
        let Value::Object(settings) = settings else { panic!("not an object") };
        let source = Map::from_iter([("checkpoint".to_string(), json!(path))]);
        let plan = SamplePlan { settings, source, num: 5, batch_size: 2, shape: vec![3], labels: None };
        Record::new(&plan, "png")
    }

    #[test]
    fn the_first_setting_that_differs_is_named() {
        let old = record(json!({"seed": 1, "sampler": {"name": "ddim", "eta": 0.5}}), "here");
        let named = |settings: Value| {
            let found = old.difference(&record(settings, "there"));
            found.map(|found| format!("{} {} {}", found.key, found.old, found.new))
        };
        assert_eq!(named(json!({"sampler": {"eta": 0.5, "name": "ddim"}, "seed": 1})), None);
        let changed = json!({"seed": 1, "sampler": {"name": "ddim", "eta": 0.25}});
        assert_eq!(named(changed).unwrap(), "sampler.eta 0.5 0.25");
        assert_eq!(named(json!({"seed": 1, "sampler": {"name": "ddim"}})).unwrap(), "sampler.eta 0.5 none");
        assert_eq!(named(json!({"seed": 1, "sampler": {"name": "em"}})).unwrap(), "sampler.name ddim em");
    }

    #[test]
    fn a_record_survives_its_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Record::read(folder.path()).unwrap(), None);
        let written = Record { finished: 4, ..record(json!({"x": 0.1}), "é😀") };
        assert!(
            written.settings().contains(r#"{"checkpoint":"\u00e9\ud83d\ude00"}"#),
            "{}",
            written.settings()
        );
        written.write(folder.path()).unwrap();
        assert_eq!(Record::read(folder.path()).unwrap(), Some(written));
        fs::write(folder.path().join(NAME), "{\"finished\": 3").unwrap();
        let text = Record::read(folder.path()).unwrap_err().to_string();
        assert!(text.contains("samples.json: whole file: expected settings"), "{text}");
    }
}
