//! Where the JSON of a command goes.

use anyhow::Result;
use ddpm_nets::tensor_file::write_atomically;
use serde::Serialize;
use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

/// A file, or `-` for the standard output.
#[derive(Clone, Debug)]
pub(crate) enum JsonOutput {
    /// `-`.
    Standard,
    /// A file, written atomically.
    File(PathBuf),
}

impl FromStr for JsonOutput {
    type Err = Infallible;

    fn from_str(word: &str) -> Result<Self, Infallible> {
        Ok(if word == "-" { JsonOutput::Standard } else { JsonOutput::File(PathBuf::from(word)) })
    }
}

impl JsonOutput {
    /// Whether the standard output is taken, so that nothing for people may be printed there.
    pub(crate) fn is_standard(output: &Option<JsonOutput>) -> bool {
        matches!(output, Some(JsonOutput::Standard))
    }

    /// Writes `value` as one line. Numbers keep every digit.
    pub(crate) fn write(&self, value: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_string(value)?;
        text.push('\n');
        match self {
            JsonOutput::Standard => print!("{text}"),
            JsonOutput::File(path) => write_atomically(path, text.as_bytes())?,
        }
        Ok(())
    }
}
