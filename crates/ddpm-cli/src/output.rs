//! Where results go: the standard output, or a file.

use anyhow::Result;
use ddpm_nets::tensor_file::write_atomically;
use serde::Serialize;
use std::convert::Infallible;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::str::FromStr;

/// Prints a whole result. A reader that has seen enough, such as `head`, is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

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
            JsonOutput::Standard => print(&text)?,
            JsonOutput::File(path) => write_atomically(path, text.as_bytes())?,
        }
        Ok(())
    }
}
