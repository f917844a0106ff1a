//! The classes of a class-conditional network, and the row of its class table that stands for no class.
//!
//! Classifier-free guidance needs a row that stands for no class. Networks of this program have one row more than classes; the last is that row
//! if training showed it (`train.label_dropout`), and otherwise nothing was learned for it. Networks of other programs have a class in every
//! row, unless the user says otherwise. `unet/config.json` states it under names that diffusers skips:
//!
//! ```text
//! "_num_classes": 10, "_null_class": 10        null where training never showed it
//! ```

use super::layout::network_path;
use crate::NetsError;
use serde_json::{Map, Value, json};
use std::path::Path;

const NUM_CLASSES: &str = "_num_classes";
const NULL_CLASS: &str = "_null_class";

/// The rows of a class table: classes, and the one that stands for no class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes {
    labels: Vec<i64>,
    null: Option<i64>,
}

impl Classes {
    /// A table with a class in every row.
    pub fn every_row(rows: i64) -> Self {
        Classes { labels: (0..rows).collect(), null: None }
    }

    /// The table of a network that this program trains: the last row is no class. `shown` says whether training shows it.
    pub fn with_last_row_null(rows: i64, shown: bool) -> Self {
        Classes { labels: (0..(rows - 1).max(1)).collect(), null: shown.then_some(rows - 1) }
    }

    /// A table in which row `null` stands for no class and every other row is a class.
    pub fn with_null(rows: i64, null: i64) -> Result<Self, NetsError> {
        if !(0..rows).contains(&null) || rows < 2 {
            let expected = format!("a row between 0 and {} of at least 2", rows - 1);
            return Err(NetsError::input("null class", expected, null));
        }
        Ok(Classes { labels: (0..rows).filter(|label| *label != null).collect(), null: Some(null) })
    }

    /// The labels of the classes, rising.
    pub fn labels(&self) -> &[i64] {
        &self.labels
    }

    /// The label that stands for no class.
    pub fn null(&self) -> Option<i64> {
        self.null
    }

    /// Whether `label` is a class or stands for none.
    pub fn knows(&self, label: i64) -> bool {
        self.null == Some(label) || self.labels.binary_search(&label).is_ok()
    }

    /// Adds the keys to a network's configuration.
    pub(super) fn state(&self, config: &mut Map<String, Value>) {
        config.insert(NUM_CLASSES.into(), json!(self.labels.len()));
        config.insert(NULL_CLASS.into(), json!(self.null));
    }

    /// The classes of a pipeline directory whose network has a table of `rows`.
    pub(super) fn read(dir: &Path, config: &Value, rows: i64) -> Result<Self, NetsError> {
        let whole = |key: &str, least: i64, most: i64| match config.get(key).filter(|value| !value.is_null())
        {
            None => Ok(None),
            Some(value) => value.as_i64().filter(|n| (least..=most).contains(n)).map(Some).ok_or_else(|| {
                let reason = format!("{key}: expected a whole number from {least} to {most}, got {value}");
                NetsError::format(&network_path(dir), reason)
            }),
        };
        let (count, null) = (whole(NUM_CLASSES, 1, rows)?, whole(NULL_CLASS, 0, rows - 1)?);
        Ok(match (count, null) {
            (Some(count), null) => Classes { labels: (0..count).collect(), null },
            (None, Some(null)) => Self::with_null(rows, null)?,
            (None, None) => match label_dropout_of_earlier_version(dir) {
                Some(dropout) => Self::with_last_row_null(rows, dropout > 0.0),
                None => Self::every_row(rows),
            },
        })
    }
}

/// `train.label_dropout` of a run of this program, whose earlier versions stated the null class nowhere else.
fn label_dropout_of_earlier_version(dir: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(dir.join("state").join("config.toml")).ok()?;
    let table: toml::Table = text.parse().ok()?;
    let train = table.get("train")?;
    Some(train.get("label_dropout").and_then(toml::Value::as_float).unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_stands_for_no_class_only_where_that_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let read = |config: Value| Classes::read(dir, &config, 4).map_err(|e| e.to_string());
        assert_eq!(read(json!({})).unwrap(), Classes::every_row(4));
        assert_eq!(read(json!({})).unwrap().labels(), [0, 1, 2, 3]);
        for shown in [true, false] {
            let own = Classes::with_last_row_null(4, shown);
            let mut keys = Map::new();
            own.state(&mut keys);
            assert_eq!(read(Value::Object(keys)).unwrap(), own);
            assert_eq!((own.labels(), own.null()), (&[0, 1, 2][..], shown.then_some(3)));
            assert_eq!((own.knows(2), own.knows(3), own.knows(4)), (true, shown, false));
        }
        assert_eq!(Classes::with_null(4, 1).unwrap().labels(), [0, 2, 3]);
        assert!(Classes::with_null(4, 4).is_err() && Classes::with_null(1, 0).is_err());
        assert!(read(json!({"_null_class": 4})).unwrap_err().contains("_null_class: expected"));

        // Runs of earlier versions.
        std::fs::create_dir(dir.join("state")).unwrap();
        for (text, null) in [("[train]\nlabel_dropout = 0.1\n", Some(3)), ("[train]\nsteps = 3\n", None)] {
            std::fs::write(dir.join("state/config.toml"), text).unwrap();
            let classes = read(json!({})).unwrap();
            assert_eq!((classes.labels(), classes.null()), (&[0, 1, 2][..], null));
        }
        std::fs::write(dir.join("state/config.toml"), "damaged").unwrap();
        assert_eq!(read(json!({})).unwrap(), Classes::every_row(4));
    }
}
