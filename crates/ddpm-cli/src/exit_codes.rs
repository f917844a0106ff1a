//! Exit codes, and errors as one line.

use ddpm_eval::EvalError;
use ddpm_sample::SampleError;
use std::path::PathBuf;
use std::process::ExitCode;

/// Success.
pub(crate) const SUCCESS: u8 = 0;
/// A usage or input error.
const INPUT: u8 = 2;
/// Interrupted; the same command with `--resume` (or the same `reproduce`) resumes. sysexits' EX_TEMPFAIL.
pub(crate) const INTERRUPTED: u8 = 75;

/// A run that was asked to stop and can be resumed.
#[derive(Debug, thiserror::Error)]
#[error("stopped after step {step} as asked; a checkpoint is written: {remedy}")]
pub(crate) struct Interrupted {
    /// Steps done.
    pub(crate) step: u64,
    /// How to resume.
    pub(crate) remedy: &'static str,
}

/// Samples that were asked to stop before all were drawn.
#[derive(Debug, thiserror::Error)]
#[error("interrupted: {finished} of {num} samples of {} are kept; the same command makes the rest", path.display())]
pub(crate) struct Unfinished {
    /// The file or folder.
    pub(crate) path: PathBuf,
    /// Samples that are kept.
    pub(crate) finished: u64,
    /// Samples in all.
    pub(crate) num: u64,
}

/// Work of which nothing is kept, or nothing needs to be, and that was asked to stop.
#[derive(Debug, thiserror::Error)]
#[error("interrupted: {state}")]
pub(crate) struct Abandoned {
    /// What is left.
    pub(crate) state: &'static str,
}

/// Prints help as it is, and an error of the command line as one line.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that closes the pipe early is no error.
            match crate::output::print(&error.to_string()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => ExitCode::from(report(&error)),
            }
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            crate::output::note(&error.to_string());
            ExitCode::from(INPUT)
        }
        _ => {
            if let Some(line) = out_of_range(error) {
                note!("error: {line}");
                return ExitCode::from(INPUT);
            }
            let text = error.to_string();
            // clap adds the usage and a pointer to --help, which would be the second and third line.
            let message = text.split("\n\nUsage:").next().and_then(|text| text.split("\n\nFor more").next());
            let words: Vec<&str> = message.unwrap_or(&text).split_whitespace().collect();
            note!("{} (see --help)", words.join(" "));
            ExitCode::from(INPUT)
        }
    }
}

/// `--steps must be at least 1, got 0`, where the value's own check begins its message with "must".
fn out_of_range(error: &clap::Error) -> Option<String> {
    use clap::error::ContextKind;
    let text = std::error::Error::source(error)?.to_string();
    let option = error.get(ContextKind::InvalidArg)?.to_string();
    let value = error.get(ContextKind::InvalidValue)?;
    let name = option.split_whitespace().next()?.trim_end_matches('=');
    text.starts_with("must ").then(|| format!("{name} {text}, got {value}"))
}

/// Whether the user asked for the stop: of training, sampling, evaluation or a sweep.
fn was_interrupted(error: &anyhow::Error) -> bool {
    error.is::<Interrupted>()
        || error.is::<Unfinished>()
        || error.is::<Abandoned>()
        || error.is::<ddpm_benchmark::Stopped>()
        || matches!(error.downcast_ref(), Some(SampleError::Interrupted { .. }))
        || matches!(error.downcast_ref(), Some(EvalError::Interrupted))
}

/// Ends the process with the word of another one that failed.
pub(crate) fn end_with_word(word: &str) {
    crate::output::record("error", &format!("error: {word}"));
    crate::workers::end(INPUT);
}

/// Prints an error as one line and names its exit status.
pub(crate) fn report(error: &anyhow::Error) -> u8 {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string().replace('\n', " ");
        // Transparent errors repeat their source's text.
        if !line.ends_with(text.as_str()) {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(&text);
        }
    }
    if was_interrupted(error) {
        note!("ddpm: {line}");
        return INTERRUPTED;
    }
    if let Some(first) = crate::workers::settle_failure(error) {
        line = format!("{line}: {first}");
    }
    crate::output::record("error", &format!("error: {line}"));
    INPUT
}
