//! The version of a result file's format, and how result files are read.

use crate::ReportError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Version `VERSION` of the format of a file: its first field, `format`. A file without the field is of the same version; another version cannot
/// be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Format<const VERSION: u32>;

impl<const VERSION: u32> From<Format<VERSION>> for u32 {
    fn from(Format: Format<VERSION>) -> u32 {
        VERSION
    }
}

impl<const VERSION: u32> TryFrom<u32> for Format<VERSION> {
    type Error = String;

    fn try_from(version: u32) -> Result<Self, String> {
        if version == VERSION {
            Ok(Format)
        } else {
            Err(format!("format: expected {VERSION}, got {version}"))
        }
    }
}

/// Reads a result from a JSON file. `remedy` says how the file is made anew where it cannot be read.
pub fn read_result<T: DeserializeOwned>(path: &Path, remedy: &str) -> Result<T, ReportError> {
    let text =
        std::fs::read(path).map_err(|source| ReportError::Read { path: path.to_path_buf(), source })?;
    serde_json::from_slice(&text).map_err(|error| ReportError::format(path, format!("{error}; {remedy}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{ClassicalReport, DecomposeReport, DenoisingError};

    fn refusal<T: DeserializeOwned>(folder: &Path, text: &str) -> String {
        let path = folder.join("result.json");
        std::fs::write(&path, text).unwrap();
        read_result::<T>(&path, "make it again").err().unwrap().to_string()
    }

    #[test]
    fn another_version_is_refused_before_its_fields_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let newer = r#"{"format":9,"a field of that version":1}"#;
        for error in [
            refusal::<DecomposeReport>(folder.path(), newer),
            refusal::<ClassicalReport>(folder.path(), newer),
            refusal::<DenoisingError>(folder.path(), newer),
        ] {
            assert!(error.contains("result.json: format: expected 1, got 9"), "{error}");
            assert!(error.ends_with("make it again") && !error.contains('\n'), "{error}");
        }
        assert!(refusal::<DenoisingError>(folder.path(), "{\"dim\":").contains("result.json: EOF"));
    }
}
