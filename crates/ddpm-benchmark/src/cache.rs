//! The cache of results: one file each, named by the key.
//!
//! A file holds the computation, the result and a digest of the result. A file that cannot be read, belongs to another key, or was changed is
//! passed over with a warning, and its result is computed again.

use crate::cell::Key;
use anyhow::{Context, Result};
use ddpm_data::{atomic, sha256_bytes};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A folder of results.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The key, which is the file's name.
    key: String,
    /// The computation, for readers.
    content: Value,
    /// The result.
    outcome: Value,
    /// SHA-256 of the result's text.
    sha256: String,
}

impl Cache {
    /// A cache in this folder, which is made by the first write.
    pub(crate) fn new(folder: &Path) -> Self {
        Cache { folder: folder.to_path_buf() }
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.folder.join(format!("{}.json", key.as_str()))
    }

    /// The result under a key; none where it is missing or damaged.
    pub(crate) fn read<T: DeserializeOwned>(&self, key: &Key) -> Option<T> {
        let path = self.path(key);
        let text = std::fs::read_to_string(&path).ok()?;
        let outcome = read_entry(&text, key);
        if outcome.is_none() {
            tracing::warn!("{} is damaged and is computed again", path.display());
        }
        outcome
    }

    /// Writes a result. The file appears complete or not at all.
    pub(crate) fn write(&self, key: &Key, content: &impl Serialize, outcome: &impl Serialize) -> Result<()> {
        let outcome = serde_json::to_value(outcome)?;
        let entry = Entry {
            key: key.as_str().to_owned(),
            content: serde_json::to_value(content)?,
            sha256: digest(&outcome)?,
            outcome,
        };
        let path = self.path(key);
        atomic::write_bytes(&path, &serde_json::to_vec(&entry)?).with_context(|| path.display().to_string())
    }
}

fn read_entry<T: DeserializeOwned>(text: &str, key: &Key) -> Option<T> {
    let entry: Entry = serde_json::from_str(text).ok()?;
    let whole = entry.key == key.as_str() && entry.sha256 == digest(&entry.outcome).ok()?;
    whole.then(|| serde_json::from_value(entry.outcome).ok()).flatten()
}

/// SHA-256 of the result's JSON. Numbers have the fewest digits that read back the same, so that reading and writing keeps the text.
fn digest(outcome: &Value) -> Result<String> {
    Ok(sha256_bytes(&serde_json::to_vec(outcome)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(&folder.path().join("cells"));
        let key = Key::of("law", &"work", 1).unwrap();
        assert_eq!(cache.read::<Vec<f64>>(&key), None);
        let values = vec![0.1 + 0.2, 1e-300, 12.0, f64::MIN_POSITIVE];
        cache.write(&key, &"work", &values).unwrap();
        assert_eq!(cache.read::<Vec<f64>>(&key), Some(values));

        let path = cache.path(&key);
        let text = std::fs::read_to_string(&path).unwrap();
        let other = Key::of("another law", &"work", 1).unwrap();
        std::fs::copy(&path, cache.path(&other)).unwrap();
        assert_eq!(cache.read::<Vec<f64>>(&other), None, "a file under another key");
        for (what, damaged) in [
            ("cut off", text[..text.len() / 2].to_owned()),
            ("empty", String::new()),
            ("another number", text.replace("12.0", "13.0")),
            ("another digest", text.replace("\"sha256\":\"", "\"sha256\":\"0")),
        ] {
            assert_ne!(damaged, text, "{what}");
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(cache.read::<Vec<f64>>(&key), None, "{what}");
        }
        std::fs::write(&path, text).unwrap();
        assert!(cache.read::<Vec<f64>>(&key).is_some());
        assert_eq!(cache.read::<String>(&key), None, "a result of another kind");
    }
}
