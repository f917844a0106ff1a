//! Results on the standard output or in a file, and messages on the standard error.

use crate::workers;
use crate::{run_log, terminal};
use anyhow::{Result, bail};
use ddpm_data::atomic;
use serde::Serialize;
use std::convert::Infallible;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Prints a whole result; of several processes the first prints. A reader that has seen enough, such as `head`, is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    if workers::is_follower() {
        return Ok(());
    }
    run_log::add("output", text);
    let written = terminal::above_bars(|| {
        let mut output = std::io::stdout().lock();
        output.write_all(text.as_bytes()).and_then(|()| output.flush())
    });
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Columns of the terminal where its width is unknown.
const USUAL_WIDTH: usize = 80;
/// Text is neither narrower nor wider than this, so that columns and sentences stay readable.
const READABLE: std::ops::RangeInclusive<usize> = 40..=120;

/// How wide text for people may be: the environment variable COLUMNS, the width of the terminal, or 80.
pub(crate) fn width() -> usize {
    let stated = std::env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok());
    let terminal = || {
        let (width, _) = terminal_size::terminal_size_of(std::io::stdout())?;
        Some(usize::from(width.0))
    };
    let width: usize = stated.or_else(terminal).unwrap_or(USUAL_WIDTH);
    width.clamp(*READABLE.start(), *READABLE.end())
}

/// Prints a message on the standard error and into the log of the run. A reader that is gone or a full disk must not end a run.
pub(crate) fn note(text: &str) {
    record("message", text);
}

/// [`note`] of another kind in the log.
pub(crate) fn record(kind: &str, text: &str) {
    if terminal::is_of_another_rank() && kind != "error" {
        return;
    }
    terminal::print_line(text);
    run_log::add(kind, text);
}

/// [`note`] with the arguments of `format!`.
#[macro_export]
macro_rules! note {
    ($($argument:tt)*) => {
        $crate::output::note(&format!($($argument)*))
    };
}

/// Refuses an output that would overwrite one of the inputs: each is an option or key, and its path if it was given.
pub(crate) fn refuse_overwriting(
    outputs: &[(&str, Option<&Path>)],
    inputs: &[(&str, Option<&Path>)],
) -> Result<()> {
    let same =
        |a: &Path, b: &Path| a == b || a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b));
    for (output, to) in outputs {
        for (input, from) in inputs {
            if let (Some(to), Some(from)) = (to, from)
                && same(to, from)
            {
                bail!("{output} {}: would overwrite the input of {input}; choose another file", to.display());
            }
        }
    }
    Ok(())
}

/// [`refuse_overwriting`], and refuses a file that could not be written at the end: its folder must exist, it must not be a folder itself,
/// and two outputs must not be the same file.
pub(crate) fn check_files(outputs: &[(&str, Option<&Path>)], inputs: &[(&str, Option<&Path>)]) -> Result<()> {
    refuse_overwriting(outputs, inputs)?;
    let mut seen: Vec<(&str, &Path)> = Vec::new();
    for &(option, path) in outputs {
        let Some(path) = path else { continue };
        if let Some((other, _)) = seen.iter().find(|(_, earlier)| *earlier == path) {
            bail!("{option} {}: {other} writes this file too; choose another", path.display());
        }
        seen.push((option, path));
        if path.is_dir() || path.file_name().is_none() {
            bail!("{option} {}: expected a file, got a folder", path.display());
        }
        check_folder(option, path)?;
    }
    Ok(())
}

/// Refuses a file or a folder in a folder that does not exist.
pub(crate) fn check_folder(option: &str, path: &Path) -> Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) if !folder.is_dir() => bail!(
            "{option} {}: the folder {} does not exist; create it first",
            path.display(),
            folder.display()
        ),
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

    /// The file, unless it is the standard output.
    pub(crate) fn path(output: &Option<JsonOutput>) -> Option<&Path> {
        match output {
            Some(JsonOutput::File(path)) => Some(path),
            _ => None,
        }
    }

    /// Writes `value` as one line; of several processes the first writes. Numbers keep every digit.
    pub(crate) fn write(&self, value: &impl Serialize) -> Result<()> {
        if workers::is_follower() {
            return Ok(());
        }
        let mut text = serde_json::to_string(value)?;
        text.push('\n');
        match self {
            JsonOutput::Standard => print(&text)?,
            JsonOutput::File(path) => atomic::write_bytes(path, text.as_bytes())?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_that_could_not_be_written_is_refused_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("input.json"), "").unwrap();
        let check = |outputs: &[(&str, &str)]| {
            let paths: Vec<_> = outputs.iter().map(|(option, name)| (*option, at(name))).collect();
            let outputs: Vec<_> =
                paths.iter().map(|(option, path)| (*option, Some(path.as_path()))).collect();
            let input = at("input.json");
            check_files(&outputs, &[("--target", Some(&input))]).map_err(|error| error.to_string())
        };
        check(&[("--json", "a.json"), ("--plot", "b.svg")]).unwrap();
        for (outputs, words) in [
            (&[("--json", "input.json")][..], "would overwrite the input of --target"),
            (&[("--json", "no/such/a.json")], "the folder"),
            (&[("--json", "")], "expected a file, got a folder"),
            (&[("--json", "a"), ("--plot", "a")], "--json writes this file too"),
        ] {
            let error = check(outputs).unwrap_err();
            assert!(error.contains(words) && error.contains("--"), "{error}");
        }
    }
}
